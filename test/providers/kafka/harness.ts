// A real Kafka of the test's own, a queue backend over it, and what a test needs to stand on both sides of it.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProvisionRequest } from '../../../activities/backend';
import { createKafkaProvider } from '../../../activities/queue/kafka/provider';
import { type KafkaPlace, openKafka } from '../../../bench/drivers/kafka';
import type { QueueCredentialProvider } from '../../../shared/queueprovider';
import { onPath } from '../../../stack/fetch/run';
import { findFreePort } from '../../../stack/ports';
import { kafkaAdminUrl, kafkaDataFolder, kafkaDefinition } from '../../../stack/servers/kafka';
import { cachedKafka, findKafka } from '../../../stack/servers/kafka-binary';
import type { TenantSession } from '../../contract/backend.contract';
import { type QueueRoomHarness, queueRoom } from '../../contract/queue-room';
import { makeServerHome, startOwnServer } from '../../harness/own-server';

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
  const home = makeServerHome('kafka');
  const ports = { '': await findFreePort(), platform: await findFreePort(), controller: await findFreePort() };
  const definition = kafkaDefinition({ home, ports, binary });
  const server = await startOwnServer(definition, { home, graceMs: 10_000 });
  return {
    bootstrapServers: `127.0.0.1:${ports['']}`,
    ports,
    adminUrl: kafkaAdminUrl({ home, ports }),
    folders: (text) => readdirSync(kafkaDataFolder(home)).filter((name) => name.includes(text)),
    ...server,
  };
}

export function kafkaProvider(server: Pick<KafkaTestServer, 'adminUrl'>): QueueCredentialProvider {
  return createKafkaProvider({ adminUrlOf: () => server.adminUrl, logger: { info() {}, warn() {}, error: console.error } });
}

export interface KafkaHarness extends QueueRoomHarness {
  server: KafkaTestServer;
  /** A tenant's login. */
  placeOf(request: ProvisionRequest, version?: number): KafkaPlace;
}

export async function startKafkaHarness(): Promise<KafkaHarness> {
  const server = await startKafkaServer();
  const room = queueRoom(server.adminUrl, { engine: 'kafka', authMode: 'isolated' });
  const placeOf: KafkaHarness['placeOf'] = (request, version) => ({
    bootstrapServers: server.bootstrapServers,
    prefix: `${request.objectName}.`,
    ...room.loginOf(request, version),
  });
  return {
    ...room,
    server,
    placeOf,
    newRequest: () => room.newRequest({ storageMb: 8 }),
    open: (request, version) => kafkaSession(placeOf(request, version)),
    close: async () => {
      await room.backend.close().finally(server.destroy);
    },
  };
}

export async function kafkaSession(place: KafkaPlace): Promise<TenantSession> {
  const { write, readAll: read, close } = await openKafka(place);
  return { write, read, close };
}
