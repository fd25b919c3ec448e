// Until nothing of an account is left: deleting an account alone leaves its streams on the server's disk.
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { encodeUser } from '@nats-io/jwt';
import type { NatsConnection } from '@nats-io/transport-node';
import { type CallSignal, Nkey, natsAccountId, natsRemovalClaims } from '../../../shared/queueprovider';
import { ProviderUnavailable } from '../../errors';
import { NatsAccounts } from './accounts';
import { type NatsSystem, openConnection } from './connection';
import { removeStreamFolder } from './disk';

const STREAMS_LOOK_MS = 20;
const ABSENT_LOOK_MS = 40;
const MAX_LOOKS = 50;
const STREAM_NOT_FOUND = 10059;

/**
 * Absent is what was absent at two looks: what a worker had sent before it was killed is in the server's socket, and has been read when the
 * second is answered.
 */
export async function removeAccount(system: NatsSystem, objectName: string, call: CallSignal | undefined): Promise<void> {
  const accounts = new NatsAccounts(system);
  const accountId = natsAccountId(objectName);
  let absentLooks = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    call?.signal?.throwIfAborted();
    const stored = await accounts.find(accountId);
    if (stored?.state) await emptyAccount({ system, accounts, accountId, objectName, state: stored.state }, call);
    if (stored) await accounts.delete([accountId]);
    absentLooks = stored ? 0 : absentLooks + 1;
    if (absentLooks === 2) return removeStreamFolder(system.admin, accountId);
    await sleep(ABSENT_LOOK_MS);
  }
  throw new ProviderUnavailable(`the account of ${objectName} does not go`);
}

interface Emptying {
  system: NatsSystem;
  accounts: NatsAccounts;
  accountId: string;
  objectName: string;
  state: Parameters<typeof natsRemovalClaims>[0];
}

/** Locks every tenant's key out, then deletes the streams as a user that only we can be. */
async function emptyAccount({ system, accounts, accountId, objectName, state }: Emptying, call: CallSignal | undefined): Promise<void> {
  const signer = Nkey.random('account');
  const user = Nkey.random('user');
  await accounts.push(accountId, objectName, natsRemovalClaims(state, signer.getPublicKey()));
  if (!(await accounts.hasJetStream(accountId))) {
    // The server had no room for the account, so there is no stream; but one whose JetStream is off as a whole may hold any.
    if ((await accounts.jetStream({ accounts: false })).disabled) throw new ProviderUnavailable('JetStream is off on this server');
    return;
  }
  const jwt = await encodeUser('leasehold-removal', user, accountId, {}, { scopedUser: true, signer });
  const connection = await openConnection({ server: system.admin.server, name: 'leasehold-removal', jwt, user });
  const abort = () => void connection.close();
  call?.signal?.addEventListener('abort', abort, { once: true });
  try {
    await deleteStreams(connection, objectName);
  } finally {
    call?.signal?.removeEventListener('abort', abort);
    await connection.close().catch(() => {});
  }
}

/** A tenant's last request may be under way in the server: gone is what was not there at two looks. */
async function deleteStreams(connection: NatsConnection, objectName: string): Promise<void> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  let quietLooks = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const names: string[] = [];
    for await (const name of manager.streams.names()) names.push(name);
    for (const name of names) {
      await manager.streams.delete(name).catch((error: unknown) => {
        if (!(error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND)) throw error;
      });
    }
    quietLooks = names.length === 0 ? quietLooks + 1 : 0;
    if (quietLooks === 2) return;
    await sleep(STREAMS_LOOK_MS);
  }
  throw new ProviderUnavailable(`streams of ${objectName} do not end`);
}
