// Coming in as somebody else, or as oneself with more rights.
import { encodeAccount, encodeUser } from '@nats-io/jwt';
import { connect } from '@nats-io/transport-node';
import { credentialKeys } from '../../../activities/queue/nats/keys';
import { Nkey } from '../../../shared/queueprovider';
import type { Attack } from '../attack';
import { logIn, mustNotLogIn, mustReject, NO, type World } from './world';

const ALL = { pub: { allow: ['>'] }, sub: { allow: ['>'] } };

export function identityAttacks(world: World): Attack[] {
  return [...withoutKeys(world), ...forged(world), ...withLeakedSigningKey(world)];
}

function withoutKeys({ attacker, victim, harness: { server } }: World): Attack[] {
  const own = Nkey.fromSeed('user', attacker.seed);
  const refuses = (name: string, login: () => ReturnType<typeof connect>): Attack => ({
    name,
    run: () => mustNotLogIn(login()),
  });
  const plain = { servers: server.url, reconnect: false, timeout: 10_000 };
  return [
    refuses('no credentials at all', () => connect(plain)),
    refuses('user and password', () => connect({ ...plain, user: victim.request.objectName, pass: 'x' })),
    refuses('a token', () => connect({ ...plain, token: victim.accountId })),
    refuses('the neighbour’s token with one’s own key', () => logIn(server.url, victim.jwt, own)),
    refuses('the neighbour’s token without a signature', () => logIn(server.url, victim.jwt, null)),
    refuses('one’s own token without a signature', () => logIn(server.url, attacker.jwt, null)),
  ];
}

function forged({ attacker, victim, harness: { server } }: World): Attack[] {
  const own = Nkey.fromSeed('user', attacker.seed);
  const refuses = (name: string, make: () => Promise<string>): Attack => ({
    name,
    run: async () => mustNotLogIn(logIn(server.url, await make(), own)),
  });
  return [
    refuses('a user of an account of one’s own making', async () => encodeUser('forged', own, Nkey.random('account'), ALL)),
    refuses('a user of the neighbour’s account, signed by a made-up key', async () =>
      encodeUser('forged', own, victim.accountId, ALL, { signer: Nkey.random('account') }),
    ),
    refuses('a user of one’s own account, signed by a made-up key', async () =>
      encodeUser('forged', own, attacker.accountId, ALL, { signer: Nkey.random('account') }),
    ),
    refuses('a user of the system account, signed by a made-up key', async () => {
      const systemAccount = new URL(server.adminUrl).searchParams.get('system_account') ?? '';
      return encodeUser('forged', own, systemAccount, ALL, { signer: Nkey.random('account') });
    }),
    refuses('one’s own token, its account replaced by the neighbour’s', async () => {
      const [header = '', body = '', signature = ''] = attacker.jwt.split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
      claims.nats.issuer_account = victim.accountId;
      return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
    }),
    refuses('one’s own token, its issuer replaced by the neighbour’s', async () => {
      const [header = '', body = '', signature = ''] = attacker.jwt.split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
      const { iss } = JSON.parse(Buffer.from(victim.jwt.split('.')[1] ?? '', 'base64url').toString());
      Object.assign(claims, { iss, nats: { ...claims.nats, issuer_account: victim.accountId } });
      return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
    }),
    {
      name: 'an account token of one’s own, offered as a user’s',
      run: async () => {
        const account = Nkey.random('account');
        const token = await encodeAccount(attacker.request.objectName, account, { limits: { conn: -1 } });
        return mustNotLogIn(logIn(server.url, token, Nkey.random('user')));
      },
    },
  ];
}

/** Even who has the key that signs a version's users gets no right that the account does not give to that key. */
function withLeakedSigningKey({ attacker, victim, harness }: World): Attack[] {
  const { server } = harness;
  const signingKey = () =>
    credentialKeys(attacker.request.objectName, {
      version: 1,
      username: '',
      password: harness.passwordOf(attacker.request.resourceId, 1),
    }).signingKey;
  const user = Nkey.random('user');
  return [
    {
      name: 'a user with every right, signed by one’s own signing key',
      run: async () => {
        const token = await encodeUser('more', user, attacker.accountId, ALL, { signer: signingKey() });
        return mustNotLogIn(logIn(server.url, token, user));
      },
    },
    {
      name: 'a bearer, signed by one’s own signing key',
      run: async () => {
        const token = await encodeUser('bearer', user, attacker.accountId, { bearer_token: true }, { signer: signingKey() });
        return mustNotLogIn(logIn(server.url, token, null));
      },
    },
    {
      name: 'a user of the neighbour’s account, signed by one’s own signing key',
      run: async () => {
        const token = await encodeUser('thief', user, victim.accountId, {}, { scopedUser: true, signer: signingKey() });
        return mustNotLogIn(logIn(server.url, token, user));
      },
    },
    {
      name: 'a further user, signed by one’s own signing key, asks the server',
      run: async () => {
        const token = await encodeUser('more', user, attacker.accountId, {}, { scopedUser: true, signer: signingKey() });
        const connection = await logIn(server.url, token, user).catch(() => null);
        if (connection === null) return 'refused';
        try {
          return await mustReject(connection.request('$SYS.REQ.CLAIMS.LIST', '', { timeout: 20_000 }), NO.permission, 'it lists accounts');
        } finally {
          await connection.close();
        }
      },
    },
  ];
}
