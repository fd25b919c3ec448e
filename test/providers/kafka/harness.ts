// A real Kafka of the test's own, a queue backend over it, and what a test needs to stand on both sides of it.
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KindBackend, ProvisionRequest } from '../../../activities/backend';
import { createQueueBackend } from '../../../activities/queue';
import { createKafkaProvider } from '../../../activities/queue/kafka/provider';
import { type KafkaPlace, openKafka } from '../../../bench/drivers/kafka';
import { randomBase32 } from '../../../shared/crypto';
import type { QueueCredentialProvider } from '../../../shared/queueprovider';
import { onPath } from '../../../stack/fetch/run';
import { findFreePort } from '../../../stack/ports';
import type { ProcessIdentity } from '../../../stack/process-identity';
import { kafkaAdminUrl, kafkaDataFolder, kafkaDefinition } from '../../../stack/servers/kafka';
import { cachedKafka, findKafka } from '../../../stack/servers/kafka-binary';
import { aRequest, type BackendHarness, type TenantSession } from '../../contract/backend.contract';
import { rememberingDependencies } from '../../contract/queue-harness';

const cacheDir = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../../.leasehold/cache');
const kafkaHome = process.env.LEASEHOLD_KAFKA_HOME;

/** Brought by `npm run stack -- fetch kafka`. */
export function kafkaIsHere(): boolean {
  const hasJava = onPath('java').length > 0 || process.env.JAVA_HOME !== undefined;
  return hasJava && existsSync(kafkaHome ?? cachedKafka(cacheDir));
}

export interface KafkaTestServer {
  /** Where tenants begin. */
  bootstrapServers: string;
  ports: { '': number; platform: number; controller: number };
  adminUrl: string;
  /** Partitions on disk whose name holds `text`, those that are being deleted too. */
  folders(text: string): string[];
  start(): Promise<void>;
  /** By SIGKILL. */
  kill(): Promise<void>;
  destroy(): Promise<void>;
}

export async function startKafkaServer(): Promise<KafkaTestServer> {
  const binary = await findKafka({ cacheDir, kafkaHome });
  const home = mkdtempSync(join(tmpdir(), 'leasehold-kafka-'));
  // The server runs as a user of its own when we are root.
  chmodSync(home, 0o711);
  const ports = { '': await findFreePort(), platform: await findFreePort(), controller: await findFreePort() };
  const definition = kafkaDefinition({ home, ports, binary });
  let identity: ProcessIdentity | undefined;
  const stop = async (graceMs: number) => {
    if (identity) await definition.stop(identity, graceMs);
    identity = undefined;
  };
  const start = async () => {
    await definition.start((launched) => {
      identity = launched;
    });
  };
  await start();
  return {
    bootstrapServers: `127.0.0.1:${ports['']}`,
    ports,
    adminUrl: kafkaAdminUrl({ home, ports }),
    folders: (text) => readdirSync(kafkaDataFolder(home)).filter((name) => name.includes(text)),
    start,
    async kill() {
      if (identity) process.kill(identity.pid, 'SIGKILL');
      await stop(1_000);
    },
    async destroy() {
      await stop(10_000);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export function kafkaProvider(server: Pick<KafkaTestServer, 'adminUrl'>): QueueCredentialProvider {
  return createKafkaProvider({ adminUrlOf: () => server.adminUrl, logger: { info() {}, warn() {}, error: console.error } });
}

export interface KafkaHarness extends BackendHarness {
  backend: KindBackend;
  server: KafkaTestServer;
  /** A tenant's login. */
  placeOf(request: ProvisionRequest, version?: number): KafkaPlace;
}

export async function startKafkaHarness(): Promise<KafkaHarness> {
  const server = await startKafkaServer();
  const installationId = randomBase32(8);
  const closedFences = new Set<string>();
  const names = new Map<string, string>();
  const { dependencies, passwordOf } = rememberingDependencies({ installationId, names });
  const backend = createQueueBackend({
    ...dependencies,
    fence: async (ref) => !closedFences.has(ref.objectName),
    adminUrlOf: () => server.adminUrl,
    choiceOf: (backendName) => (backendName === 'test' ? { engine: 'kafka', authMode: 'isolated' } : null),
  });
  const placeOf: KafkaHarness['placeOf'] = ({ resourceId, objectName }, version = 1) => ({
    bootstrapServers: server.bootstrapServers,
    prefix: `${objectName}.`,
    username: `${objectName}_${version}`,
    password: passwordOf(resourceId, version),
  });
  return {
    backend,
    server,
    placeOf,
    newRequest: () => {
      const resourceId = randomUUID();
      const objectName = `lh${installationId}_${randomBase32(24)}`;
      names.set(resourceId, objectName);
      return aRequest({ resourceId, kind: 'queue', objectName, limits: { storageMb: 8 } });
    },
    setFence: (objectName, open) => void (open ? closedFences.delete(objectName) : closedFences.add(objectName)),
    open: (request, version) => kafkaSession(placeOf(request, version)),
    close: async () => {
      await backend.close();
      await server.destroy();
    },
  };
}

export async function kafkaSession(place: KafkaPlace): Promise<TenantSession> {
  const { write, readAll: read, close } = await openKafka(place);
  return { write, read, close };
}
