// A real NATS server without accounts, of the test's own, and both sides of it.
import { DiscardPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { findFreePort } from '../../../stack/ports';
import { natsOpenDefinition, natsOpenUrl } from '../../../stack/servers/nats-open';
import type { TenantSession } from '../../contract/backend.contract';
import { natsProgram } from '../../contract/queue-harness';
import { makeServerHome, startOwnServer } from '../../harness/own-server';

export const NO_CREDENTIALS = 'the server asks nobody for credentials, so nobody can be kept out';

const STREAM_NOT_FOUND = 10059;
const STREAM_BYTES = 4 * 1024 * 1024;

export interface OpenNatsServer {
  url: string;
  connect(): Promise<NatsConnection>;
  /** By SIGKILL. */
  kill(): Promise<void>;
  start(): Promise<void>;
  destroy(): Promise<void>;
}

export async function startOpenNats(): Promise<OpenNatsServer> {
  const binary = await natsProgram();
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

/** The stream that a client's key-value library makes for a bucket. */
export function keyValueConfig(bucket: string) {
  return {
    name: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
  };
}

/** The same for an object store. */
export function objectStoreConfig(bucket: string) {
  return {
    name: `OBJ_${bucket}`,
    subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`],
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    allow_direct: true,
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
