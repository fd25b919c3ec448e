// NATS without accounts: a server shared by tenants from before there were any. They have a place by convention and no credential.
import type { CallSignal, QueueCredentialProvider, QueueTenant } from '../../../shared/queueprovider';
import type { KindLogger } from '../../backend';
import { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import { OpenedOnce } from '../nats/connection';
import { type OpenServer, openOpenServer } from './connection';
import { objectOfStream, subjectPrefix } from './ownership';
import {
  ensureRegister,
  findTenant,
  forgetTenant,
  isApiError,
  NOTHING_KNOWN,
  type OpenTenant,
  registeredNames,
  storeTenant,
} from './register';
import { settleStream, streamsOf } from './streams';

/** The first that can pause a consumer. */
const OLDEST_VERSION = [2, 11];
const STREAM_NOT_FOUND = 10059;
const ABSENT_LOOK_MS = 40;
const MAX_LOOKS = 50;

export interface OpenNatsProviderOptions {
  /** `nats://[user:password@]host:port`. */
  adminUrlOf: (backendName: string) => string;
  logger: KindLogger;
}

export function createOpenNatsProvider({ adminUrlOf, logger }: OpenNatsProviderOptions): QueueCredentialProvider {
  const servers = new OpenedOnce((backendName) => openPrepared(backendName, adminUrlOf(backendName)));

  /** Reads the tenant, lets `change` decide, stores what it answers, and brings its streams to it; null = leave it. */
  const update = async (
    { backendName, objectName }: QueueTenant,
    call: CallSignal | undefined,
    change: (tenant: OpenTenant | null) => OpenTenant | null,
  ): Promise<OpenTenant | null> => {
    const server = await servers.of(backendName);
    const found = await findTenant(server, objectName);
    if (found !== null && found.tenant === null)
      logger.warn('an entry of the register cannot be read: whether it was cut, read-only or rotated is not known any more', {
        backend: backendName,
        object_name: objectName,
      });
    const next = change(found === null ? null : (found.tenant ?? NOTHING_KNOWN));
    call?.signal?.throwIfAborted();
    if (next === null) return null;
    await storeTenant(server, objectName, { tenant: next, expected: found?.sequence ?? 0 });
    const held = { writes: next.isCut || next.isReadOnly, consumers: next.isCut };
    for (const stream of await streamsOf(server.manager, objectName)) {
      call?.signal?.throwIfAborted();
      await settleStream(server.manager, stream, held);
    }
    return next;
  };
  const change = (tenant: QueueTenant, call: CallSignal | undefined, next: (tenant: OpenTenant) => OpenTenant) =>
    update(tenant, call, (known) => {
      if (known === null) throw new ObjectMissing(`${tenant.objectName} is not on ${tenant.backendName}`);
      return next(known);
    });

  return {
    engine: 'nats',
    authMode: 'legacy_open',
    capabilities: { cut: 'none', storage: 'watchdog', connections: 'none', readOnly: 'watchdog' },

    async prepareServer(backendName) {
      await ensureRegister(await servers.of(backendName));
    },
    serverVersion: async (backendName) => versionOf(await servers.of(backendName)),

    detailsOf: ({ objectName }) => ({ subject_prefix: subjectPrefix(objectName) }),
    mintSecrets: async () => ({}),

    async issueCredential({ credential, limits, ...tenant }, call) {
      await update(tenant, call, (known) => {
        assertNewest(known, tenant.objectName, credential.version);
        const { version } = credential;
        return { limits, isCut: false, isReadOnly: known?.isReadOnly ?? false, versions: [version], newestVersion: version };
      });
    },
    async rotateCredential({ credential, limits, previousVersion, ...tenant }, call) {
      await change(tenant, call, (known) => {
        assertNewest(known, tenant.objectName, credential.version);
        const kept = known.versions.filter((version) => version === previousVersion && version !== credential.version);
        return { ...known, limits, versions: [...kept, credential.version], newestVersion: credential.version };
      });
    },
    async revokeCredential({ version, ...tenant }, call) {
      await change(tenant, call, (known) => ({ ...known, versions: known.versions.filter((other) => other !== version) }));
    },

    async cut(tenant, call) {
      const cut = await update(tenant, call, (known) => (known === null ? null : { ...known, isCut: true }));
      if (cut === null) return;
      logger.warn('access to an open server cannot be cut: writes are refused and consumers paused, which any client can undo', {
        backend: tenant.backendName,
        object_name: tenant.objectName,
      });
    },
    async restore(tenant, call) {
      await change(tenant, call, (known) => ({ ...known, isCut: false }));
    },
    async applyLimits({ limits, ...tenant }, call) {
      await change(tenant, call, (known) => ({ ...known, limits }));
    },
    async setReadOnly({ readOnly, limits, ...tenant }, call) {
      await change(tenant, call, (known) => ({ ...known, limits, isReadOnly: readOnly }));
    },

    remove: async (tenant, call) => removeTenant(await servers.of(tenant.backendName), tenant.objectName, call),

    async list(backendName, prefix) {
      return (await registeredNames(await servers.of(backendName))).filter((name) => name.startsWith(prefix));
    },
    measure: async (backendName, prefix) => measure(await servers.of(backendName), prefix),
    close: () => servers.close(),
  };
}

/** Version and JetStream are looked at once a connection; every verb needs the register. */
async function openPrepared(backendName: string, adminUrl: string): Promise<OpenServer> {
  const server = await openOpenServer(backendName, adminUrl);
  try {
    assertRecent(backendName, server);
    await server.manager.getAccountInfo().catch(() => {
      throw new ProviderMisconfigured(`${backendName}: JetStream is off: give the server a jetstream block`);
    });
    await ensureRegister(server);
    return server;
  } catch (error) {
    await server.connection.close();
    throw error;
  }
}

/** Absent is what was absent at two looks: what a client had sent before may still be on its way. */
async function removeTenant(server: OpenServer, objectName: string, call: CallSignal | undefined): Promise<void> {
  let absentLooks = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const streams = await streamsOf(server.manager, objectName);
    const isRegistered = (await findTenant(server, objectName)) !== null;
    for (const { config } of streams) {
      call?.signal?.throwIfAborted();
      await server.manager.streams.delete(config.name).catch((error: unknown) => {
        if (!isApiError(error, STREAM_NOT_FOUND)) throw error;
      });
    }
    if (isRegistered && streams.length === 0) await forgetTenant(server, objectName);
    absentLooks = streams.length === 0 && !isRegistered ? absentLooks + 1 : 0;
    if (absentLooks === 2) return;
    await new Promise((resolve) => setTimeout(resolve, ABSENT_LOOK_MS));
  }
  throw new ProviderUnavailable(`streams of ${objectName} do not end: a client makes them anew`);
}

async function measure(server: OpenServer, prefix: string): Promise<{ objectName: string; bytes: number }[]> {
  const bytes = new Map((await registeredNames(server)).filter((name) => name.startsWith(prefix)).map((name) => [name, 0]));
  for await (const { config, state } of server.manager.streams.list()) {
    const owner = objectOfStream(config);
    const known = owner === null ? undefined : bytes.get(owner);
    if (owner !== null && known !== undefined) bytes.set(owner, known + state.bytes);
  }
  return [...bytes].map(([objectName, total]) => ({ objectName, bytes: total }));
}

function assertNewest(known: OpenTenant | null, objectName: string, version: number): void {
  if (known === null || known.newestVersion < version) return;
  if (known.newestVersion === version && known.versions.includes(version)) return;
  throw new Fenced(`${objectName} has a newer credential than version ${version}`);
}

function versionOf({ connection }: OpenServer): string {
  return connection.info?.version ?? 'unknown';
}

function assertRecent(backendName: string, server: OpenServer): void {
  const [major = 0, minor = 0] = versionOf(server).split('.').map(Number);
  const [needMajor = 0, needMinor = 0] = OLDEST_VERSION;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  throw new ProviderMisconfigured(
    `${backendName}: nats-server ${versionOf(server)} is too old: ${OLDEST_VERSION.join('.')} or newer is needed`,
  );
}
