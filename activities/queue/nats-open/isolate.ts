// From an open server to an account of its own: everything that is the tenant's, exactly as it was, or nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, jetstreamManager, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream';
import { encodeUser } from '@nats-io/jwt';
import type { NatsConnection } from '@nats-io/transport-node';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '../../../shared/errors';
import {
  isShrunk,
  limitsAtLeast,
  Nkey,
  natsAccountClaims,
  natsAccountId,
  natsRemovalClaims,
  newNatsAccount,
  type QueueCredential,
  type QueueLimits,
  type QueueUse,
  withCredential,
} from '../../../shared/queueprovider';
import { ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import { NatsAccounts } from '../nats/accounts';
import { type NatsSystem, openConnection } from '../nats/connection';
import { keepOnDisk } from '../nats/disk';
import { credentialState } from '../nats/keys';
import { boundsFor } from './bounds';
import type { OpenServer } from './connection';
import { copyStream, stateLine } from './snapshot';
import { boundOf, NOTHING_HELD, settleStream, streamsOf, withBound } from './streams';

/** What was under way in the server when writes were stopped is stored by then; the second look shows it. */
const SETTLED_LOOK_MS = 100;
const MAX_LOOKS = 50;
/** A tenant may delete, purge and acknowledge meanwhile; each time it does, that stream is copied anew. */
const MAX_ROUNDS = 10;

export interface CopyTenantRequest {
  source: OpenServer;
  target: NatsSystem;
  objectName: string;
  credential: QueueCredential;
  limits: QueueLimits;
  isCut: boolean;
  isReadOnly: boolean;
  signal?: AbortSignal;
}

/**
 * Stops writes, copies each stream that is not there yet as it is, lets the copies go on, and only then gives the account its credential.
 * Each attempt has a key of its own to the account, so that one that was left behind can do nothing there any more.
 */
export async function copyTenant(request: CopyTenantRequest): Promise<void> {
  const { source, target, objectName, credential, isCut, isReadOnly, signal } = request;
  await stopWrites(source, objectName, signal);
  const streams = await streamsOf(source.manager, objectName);
  assertMovable(streams);
  const account = await openAccount(request, useOf(streams, boundsOf(streams, request.limits)));
  try {
    const manager = await jetstreamManager(account.connection, { checkAPI: false, timeout: 10_000 });
    await copyUntilSame({ ...request, account: account.connection, manager });
    for await (const stream of manager.streams.list()) await settleStream(manager, stream, NOTHING_HELD);
  } finally {
    await account.connection.close().catch(() => {});
  }
  signal?.throwIfAborted();
  const state = withCredential({ ...newNatsAccount(account.limits), isCut, isReadOnly }, credentialState(objectName, credential), null);
  await new NatsAccounts(target).push(account.id, objectName, natsAccountClaims(state));
  await keepOnDisk(target.admin, account.id);
}

/** Nothing is stored after this, and no consumer is given anything: what can still change is what a client deletes or acknowledges. */
async function stopWrites({ manager }: OpenServer, objectName: string, signal: AbortSignal | undefined): Promise<void> {
  let before = '';
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const streams = await streamsOf(manager, objectName);
    for (const stream of streams) {
      signal?.throwIfAborted();
      await settleStream(manager, stream, { writes: true, consumers: true });
    }
    await sleep(SETTLED_LOOK_MS);
    const now = (await streamsOf(manager, objectName)).map(({ config, state }) => `${config.name}/${state.last_seq}`).join();
    if (now === before) return;
    before = now;
  }
  throw new ProviderUnavailable(`streams of ${objectName} go on growing`);
}

/** What an account cannot hold is said before anything is made. */
function assertMovable(streams: readonly StreamInfo[]): void {
  for (const { config } of streams) {
    if (config.storage === StorageType.Memory)
      throw notMovable(`stream ${config.name} is kept in memory, which accounts have none of: make it anew on file`);
    if (config.mirror?.external !== undefined || config.sources?.some(({ external }) => external !== undefined))
      throw notMovable(`stream ${config.name} takes from another server or account, which accounts here cannot`);
  }
}

/** A code of the catalogue, so that the words reach whoever asked for the move and whoever reads its events. */
function notMovable(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'invalid_request' satisfies ErrorCode);
}

function boundsOf(streams: readonly StreamInfo[], { storageBytes }: QueueLimits): Map<string, number> {
  const found = streams.map(({ config, state }) => ({ name: config.name, maxBytes: boundOf(config), bytes: state.bytes }));
  return boundsFor(found, storageBytes);
}

function useOf(streams: readonly StreamInfo[], bounds: ReadonlyMap<string, number>): QueueUse {
  return {
    reservedBytes: streams.reduce((sum, { config, state }) => sum + Math.max(bounds.get(config.name) ?? 0, state.bytes), 0),
    streams: streams.length,
    consumersOfLargest: Math.max(0, ...streams.map(({ state }) => state.consumer_count)),
  };
}

interface OpenedAccount {
  id: string;
  limits: QueueLimits;
  connection: NatsConnection;
}

/** An account that only this attempt has a key to. */
async function openAccount({ target, objectName, limits }: CopyTenantRequest, use: QueueUse): Promise<OpenedAccount> {
  const accounts = new NatsAccounts(target);
  const id = natsAccountId(objectName);
  // Never less than what is there: a server that starts with less than that leaves streams out.
  const room = limitsAtLeast(limits, use);
  const known = (await accounts.find(id))?.state;
  const enough = known && isShrunk(room, known.limits) ? limitsAtLeast(room, await accounts.use(id)) : room;
  const signer = Nkey.random('account');
  const user = Nkey.random('user');
  const state = newNatsAccount(enough);
  await accounts.push(id, objectName, natsRemovalClaims(state, signer.getPublicKey()));
  if (!(await accounts.hasJetStream(id)))
    throw new ProviderMisconfigured('the server has no room for one more account: raise max_file_store of its jetstream');
  const jwt = await encodeUser('leasehold-isolation', user, id, {}, { scopedUser: true, signer });
  const connection = await openConnection({ server: target.admin.server, name: 'leasehold-isolation', jwt, user });
  return { id, limits: enough, connection };
}

interface Copying extends CopyTenantRequest {
  account: NatsConnection;
  manager: JetStreamManager;
}

async function copyUntilSame(copying: Copying): Promise<void> {
  const { source, objectName, manager, limits, signal } = copying;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    // What was made since writes were stopped.
    await stopWrites(source, objectName, signal);
    const wanted = await streamsOf(source.manager, objectName);
    assertMovable(wanted);
    const copies = new Map<string, StreamInfo>();
    for await (const info of manager.streams.list()) copies.set(info.config.name, info);
    const different: StreamInfo[] = [];
    for (const info of wanted) if (!(await isCopied(copying, info, copies.get(info.config.name)))) different.push(info);
    const names = new Set(wanted.map(({ config }) => config.name));
    const stale = [...copies.keys()].filter((name) => !names.has(name));
    if (different.length === 0 && stale.length === 0) return;
    const bounds = boundsOf(wanted, limits);
    for (const name of stale) await manager.streams.delete(name);
    for (const { config } of different) {
      signal?.throwIfAborted();
      if (copies.has(config.name)) await manager.streams.delete(config.name);
      await copyOne(copying, config, bounds.get(config.name) ?? -1);
    }
  }
  throw new ProviderUnavailable(`${objectName} changes faster than it can be copied: stop what deletes and acknowledges`);
}

async function isCopied({ source, manager }: Copying, info: StreamInfo, copy: StreamInfo | undefined): Promise<boolean> {
  return copy !== undefined && (await stateLine(source.manager, info)) === (await stateLine(manager, copy));
}

/** Under one roof with others a stream says how much it may hold, on one server, without a place of its own. */
async function copyOne({ source, account, signal }: Copying, { name }: StreamConfig, bound: number): Promise<void> {
  await copyStream({
    from: source.connection,
    to: account,
    stream: name,
    change: (config) => ({ ...withBound(config, bound), num_replicas: 1, placement: undefined }),
    signal,
  });
}
