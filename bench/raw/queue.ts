import { encodeAccount, encodeUser, fmtCreds } from '@nats-io/jwt';
import { connect, jwtAuthenticator } from '@nats-io/transport-node';
import { Nkey, parseNatsAdminUrl } from '../../shared/queueprovider';
import { DRIVERS, type Granted } from '../drivers';
import type { RawContext, RawKind } from './types';

/** Every limit is named: what a claim leaves out is zero to the server. */
const LIMITS = { conn: 10, subs: 100, payload: 1_048_576, data: -1, imports: 0, exports: 0, wildcards: true, leaf: 0 };
const USER = { subs: -1, data: -1, payload: -1 };
const STORE = { mem_storage: 0, disk_storage: 33_554_432, streams: 3, consumer: 5 };

/** An account signed and pushed, a user signed for it. Accounts stay: the whole server is thrown away afterwards. */
export async function rawNats({ adminUrl }: RawContext): Promise<RawKind> {
  const { server, operatorKey, systemKey, systemAccount } = parseNatsAdminUrl(adminUrl);
  const user = Nkey.random('user');
  const token = await encodeUser('bench', user.getPublicKey(), systemAccount, USER, { signer: systemKey });
  const system = await connect({ servers: server, reconnect: false, authenticator: jwtAuthenticator(token, Buffer.from(user.seed)) });
  return {
    async make() {
      const account = Nkey.random('account');
      const signing = Nkey.random('account');
      const claims = { limits: { ...LIMITS, ...STORE }, signing_keys: [signing.getPublicKey()] };
      const signed = await encodeAccount('bench', account.getPublicKey(), claims, { signer: operatorKey });
      const answer = await system.request('$SYS.REQ.CLAIMS.UPDATE', signed, { timeout: 5_000 });
      if (answer.json<{ data?: { code: number } }>().data?.code !== 200) throw new Error(`the server answered ${answer.string()}`);
      const tenant = Nkey.random('user');
      const jwt = await encodeUser('bench', tenant.getPublicKey(), account.getPublicKey(), USER, { signer: signing });
      const creds_file = new TextDecoder().decode(fmtCreds(jwt, tenant));
      const session = await DRIVERS.queue.open({ connection_url: server, credentials: { creds_file } } as Granted);
      await session.ping();
      await session.close();
    },
    removeAll: async () => undefined,
    close: () => system.close(),
  };
}
