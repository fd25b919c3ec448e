// NATS in operator mode: an account for each resource, a signing key and a user in it for each credential version.
import {
  type CallSignal,
  isShrunk,
  limitsAtLeast,
  type NatsAccountState,
  natsAccountClaims,
  natsAccountId,
  newNatsAccount,
  type QueueCredentialProvider,
  type QueueDetails,
  type QueueTenant,
  withCredential,
  withoutCredential,
} from '../../../shared/queueprovider';
import type { KindLogger } from '../../backend';
import { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import { NatsAccounts } from './accounts';
import { NatsServers, type NatsSystem } from './connection';
import { keepOnDisk } from './disk';
import { credentialState, mintUser } from './keys';
import { removeAccount } from './removal';

const OLDEST_VERSION = [2, 10];
const MEASURE_PAGE = 500;

export interface NatsProviderOptions {
  /** `nats://leasehold:<operator seed>.<system seed>@host:port?system_account=...`; see docs/kinds/queue.md. */
  adminUrlOf: (backendName: string) => string;
  logger: KindLogger;
}

export function natsDetails(objectName: string): QueueDetails {
  return { account_id: natsAccountId(objectName), subject_prefix: '' };
}

export function createNatsProvider({ adminUrlOf, logger }: NatsProviderOptions): QueueCredentialProvider {
  const servers = new NatsServers(adminUrlOf);
  const prepared = new WeakSet<NatsSystem>();

  /** Reads the account, lets `change` decide, and pushes what it answers; null = leave it. */
  const update = async (
    tenant: QueueTenant,
    call: CallSignal | undefined,
    change: (state: NatsAccountState | null) => NatsAccountState | null,
    andThen: (accounts: NatsAccounts, accountId: string) => Promise<void> = async () => {},
  ): Promise<void> => {
    const system = await servers.system(tenant.backendName);
    const accounts = new NatsAccounts(system);
    const accountId = natsAccountId(tenant.objectName);
    const stored = await accounts.find(accountId);
    const next = change(stored?.state ?? null);
    call?.signal?.throwIfAborted();
    if (next === null) return;
    const account = { accounts, accountId, name: tenant.objectName };
    if (stored?.state && isShrunk(next.limits, stored.state.limits)) await pushShrunk(account, next);
    else await accounts.push(accountId, tenant.objectName, natsAccountClaims(next));
    await Promise.all([keepOnDisk(system.admin, accountId), andThen(accounts, accountId)]);
  };
  const change = (tenant: QueueTenant, call: CallSignal | undefined, next: (state: NatsAccountState) => NatsAccountState) =>
    update(tenant, call, (state) => {
      if (state === null) throw new ObjectMissing(`${tenant.objectName} is not on ${tenant.backendName}`);
      return next(state);
    });

  return {
    engine: 'nats',
    authMode: 'isolated',
    capabilities: { cut: 'server', storage: 'server', connections: 'server', readOnly: 'server' },

    async prepareServer(backendName) {
      const system = await servers.system(backendName);
      if (prepared.has(system)) {
        await new NatsAccounts(system).serverVersion();
        return;
      }
      await probeServer(backendName, new NatsAccounts(system), logger);
      prepared.add(system);
    },
    serverVersion: async (backendName) => new NatsAccounts(await servers.system(backendName)).serverVersion(),

    detailsOf: ({ objectName }) => natsDetails(objectName),
    mintSecrets: ({ objectName }, credential) => mintUser(objectName, credential),

    issueCredential: ({ credential, limits, ...tenant }, call) =>
      update(
        tenant,
        call,
        (state) => {
          assertNewest(state, tenant.objectName, credential.version);
          const open = { ...(state ?? newNatsAccount(limits)), limits, isCut: false };
          return withCredential(open, credentialState(tenant.objectName, credential), null);
        },
        async (accounts, accountId) => {
          if (await accounts.hasJetStream(accountId)) return;
          throw new ProviderUnavailable(`${tenant.backendName} has no room for one more account: raise max_file_store of its jetstream`);
        },
      ),
    rotateCredential: ({ credential, limits, previousVersion, ...tenant }, call) =>
      change(tenant, call, (state) => {
        assertNewest(state, tenant.objectName, credential.version);
        return withCredential({ ...state, limits }, credentialState(tenant.objectName, credential), previousVersion);
      }),
    revokeCredential: ({ version, ...tenant }, call) => change(tenant, call, (state) => withoutCredential(state, version)),

    cut: (tenant, call) => update(tenant, call, (state) => (state === null ? null : { ...state, isCut: true })),
    restore: (tenant, call) => change(tenant, call, (state) => ({ ...state, isCut: false })),
    applyLimits: ({ limits, ...tenant }, call) => change(tenant, call, (state) => ({ ...state, limits })),
    setReadOnly: ({ readOnly, limits, ...tenant }, call) => change(tenant, call, (state) => ({ ...state, limits, isReadOnly: readOnly })),

    remove: async (tenant, call) => removeAccount(await servers.system(tenant.backendName), tenant.objectName, call),

    async list(backendName, prefix) {
      const accounts = await new NatsAccounts(await servers.system(backendName)).all();
      return accounts.map(({ name }) => name).filter((name) => name.startsWith(prefix));
    },
    measure: async (backendName, prefix) => measure(new NatsAccounts(await servers.system(backendName)), prefix),
    close: () => servers.close(),
  };
}

/** What is there was looked at before and is looked at again: a stream may have been made in between, and after the push none can. */
async function pushShrunk(
  { accounts, accountId, name }: { accounts: NatsAccounts; accountId: string; name: string },
  next: NatsAccountState,
) {
  let limits = limitsAtLeast(next.limits, await accounts.use(accountId));
  for (;;) {
    await accounts.push(accountId, name, natsAccountClaims({ ...next, limits }));
    const needed = limitsAtLeast(limits, await accounts.use(accountId));
    if (!isShrunk(limits, needed)) return;
    limits = needed;
  }
}

function assertNewest(state: NatsAccountState | null, objectName: string, version: number): void {
  const isKnown = state?.credentials.some((known) => known.version === version) ?? false;
  if (state === null || state.newestVersion < version || (isKnown && state.newestVersion === version)) return;
  throw new Fenced(`${objectName} has a newer credential than version ${version}`);
}

/** Whether this server takes our signature and can forget an account; both would else be found out by the first tenant. */
async function probeServer(backendName: string, accounts: NatsAccounts, logger: KindLogger): Promise<void> {
  const version = await accounts.serverVersion();
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [needMajor = 0, needMinor = 0] = OLDEST_VERSION;
  if (major < needMajor || (major === needMajor && minor < needMinor))
    throw new ProviderMisconfigured(`${backendName}: nats-server ${version} is too old: ${OLDEST_VERSION.join('.')} or newer is needed`);
  try {
    await accounts.delete([]);
  } catch (error) {
    if (!(error instanceof ProviderMisconfigured)) throw error;
    throw new ProviderMisconfigured(
      `${backendName}: ${error.message}: use a full resolver with allow_delete, and a key of the server's operator`,
    );
  }
  const facts = await accounts.jetStream({ accounts: false });
  if (facts.disabled || !facts.config)
    throw new ProviderMisconfigured(`${backendName}: JetStream is off: give the server a jetstream block`);
  if (facts.config.sync_always !== true)
    logger.warn('acknowledged messages can be lost with the power: set jetstream.sync_interval to always', { backend: backendName });
}

/** The server knows the use of accounts that it has read since its start; any other holds no stream. */
async function measure(accounts: NatsAccounts, prefix: string): Promise<{ objectName: string; bytes: number }[]> {
  const stored = (await accounts.all()).filter(({ name }) => name.startsWith(prefix));
  const bytesOf = new Map<string, number>();
  for (let offset = 0; ; offset += MEASURE_PAGE) {
    const { account_details: page = [] } = await accounts.jetStream({ accounts: true, offset, limit: MEASURE_PAGE });
    for (const { id, storage } of page) bytesOf.set(id, storage);
    if (page.length < MEASURE_PAGE) break;
  }
  return stored.map(({ id, name }) => ({ objectName: name, bytes: bytesOf.get(id) ?? 0 }));
}
