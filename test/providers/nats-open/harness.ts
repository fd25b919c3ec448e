// A real NATS server without accounts, of the test's own, and both sides of it.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DiscardPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { findFreePort } from '../../../stack/ports';
import { natsOpenDefinition, natsOpenUrl } from '../../../stack/servers/nats-open';
import type { TenantSession } from '../../contract/backend.contract';
import { makeServerHome, startOwnServer } from '../../harness/own-server';

export const NO_CREDENTIALS = 'the server asks nobody for credentials, so nobody can be kept out';

const STREAM_NOT_FOUND = 10059;
const STREAM_BYTES = 4 * 1024 * 1024;

/** The server that was fetched, or the one that is named; null where none can be had. Asked when the file is loaded, so it may not wait. */
export function natsProgram(): string | null {
  if (process.env.LEASEHOLD_TEST_NATS_BIN) return process.env.LEASEHOLD_TEST_NATS_BIN;
  const cache = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../../.leasehold/cache');
  const folder = existsSync(cache) ? readdirSync(cache).find((name) => name.startsWith('nats-server-')) : undefined;
  return folder === undefined ? null : join(cache, folder, 'nats-server');
}

export interface OpenNatsServer {
  url: string;
  connect(): Promise<NatsConnection>;
  /** By SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
  destroy(): Promise<void>;
}

export async function startOpenNats(): Promise<OpenNatsServer> {
  const binary = natsProgram();
  if (binary === null) throw new Error('no nats-server');
  const home = makeServerHome('nats-open');
  const port = await findFreePort();
  const url = natsOpenUrl({ port });
  const definition = natsOpenDefinition({ home, binary, port });
  const server = await startOwnServer(definition, { home, graceMs: 2_000 });
  return {
    url,
    connect: () => connect({ servers: url, reconnect: false, timeout: 30_000 }),
    ...server,
  };
}

/** As a tenant that keeps to the convention: one stream, under its own prefix. */
export function openSession(connection: NatsConnection, objectName: string): TenantSession {
  const stream = `${objectName}_written`;
  const subject = `${objectName}.written`;
  const manager = () => jetstreamManager(connection, { checkAPI: false, timeout: 30_000 });
  const infoOf = async () =>
    (await manager()).streams.info(stream).catch((error: { code?: number }) => {
      if (error.code === STREAM_NOT_FOUND) return null;
      throw error;
    });
  return {
    write: async (value) => {
      if ((await infoOf()) === null)
        await (await manager()).streams.add({ name: stream, subjects: [subject], max_bytes: STREAM_BYTES, discard: DiscardPolicy.Old });
      await jetstream(connection, { timeout: 30_000 }).publish(subject, value);
    },
    read: async () => {
      const state = (await infoOf())?.state;
      if (state === undefined) return [];
      const { streams } = await manager();
      const values: string[] = [];
      for (let seq = state.first_seq; seq <= state.last_seq; seq += 1)
        values.push((await streams.getMessage(stream, { seq }))?.string() ?? '');
      return values;
    },
    close: () => connection.close(),
  };
}
