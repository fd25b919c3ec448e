// One stream from one server to another as it is: messages with their sequences and times, consumers with their positions.
import type { ConsumerConfig, JetStreamManager, StreamConfig, StreamInfo, StreamState } from '@nats-io/jetstream';
import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import { ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import { releasedConfig } from './streams';

const REQUEST_TIMEOUT_MS = 10_000;
/** The server puts the stream together on its disk before it answers the end. */
const RESTORE_TIMEOUT_MS = 120_000;
/** Between two parts of a snapshot; the server gives up as soon. */
const CHUNK_TIMEOUT_MS = 30_000;
const CHUNK_BYTES = 128 * 1024;

interface ApiAnswer {
  error?: { code: number; err_code?: number; description: string };
}

interface SnapshotAnswer extends ApiAnswer {
  config: StreamConfig;
  state: StreamState;
}

interface RestoreAnswer extends ApiAnswer {
  deliver_subject: string;
}

export interface CopyStreamRequest {
  from: NatsConnection;
  to: NatsConnection;
  stream: string;
  /** Of the copy, where it must differ. */
  change: (config: StreamConfig) => Partial<StreamConfig>;
  signal?: AbortSignal;
}

/** What the server calls backup and restore. The copy is there when this returns, and not a moment before: there is no half of one. */
export async function copyStream({ from, to, stream, change, signal }: CopyStreamRequest): Promise<void> {
  const inbox = createInbox();
  const parts = from.subscribe(inbox, { timeout: CHUNK_TIMEOUT_MS });
  try {
    const { config, state } = await ask<SnapshotAnswer>(from, `$JS.API.STREAM.SNAPSHOT.${stream}`, {
      deliver_subject: inbox,
      no_consumers: false,
      chunk_size: CHUNK_BYTES,
    });
    const request = { config: { ...config, ...change(config) }, state };
    const { deliver_subject } = await ask<RestoreAnswer>(to, `$JS.API.STREAM.RESTORE.${stream}`, request);
    for await (const part of parts) {
      signal?.throwIfAborted();
      if (part.data.length === 0) {
        assertWhole(part.headers?.code ?? 0, stream);
        break;
      }
      assertTaken((await to.request(deliver_subject, part.data, { timeout: CHUNK_TIMEOUT_MS })).string(), stream);
      part.respond();
    }
    assertTaken((await to.request(deliver_subject, new Uint8Array(0), { timeout: RESTORE_TIMEOUT_MS })).string(), stream);
  } finally {
    parts.unsubscribe();
  }
}

/** The end says why when it came early. */
function assertWhole(code: number, stream: string): void {
  if (code !== 0 && code !== 204) throw new ProviderUnavailable(`the snapshot of ${stream} ended with ${code}`);
}

function assertTaken(answer: string, stream: string): void {
  if (answer === '') return;
  throwRefusal(JSON.parse(answer) as ApiAnswer, stream);
}

async function ask<Answer extends ApiAnswer>(connection: NatsConnection, subject: string, request: object): Promise<Answer> {
  const reply = await connection.request(subject, JSON.stringify(request), { timeout: REQUEST_TIMEOUT_MS });
  const answer = reply.json<Answer>();
  throwRefusal(answer, subject);
  return answer;
}

/** What a limit refuses it would refuse again. */
function throwRefusal({ error }: ApiAnswer, what: string): void {
  if (!error) return;
  const text = `${what}: ${error.description}`;
  if (error.code === 400) throw new ProviderMisconfigured(text);
  throw new ProviderUnavailable(text);
}

/**
 * What a stream is and holds, its consumers and how far they are, in a line: two streams with the same line are the same. Times and sizes
 * are of the messages themselves, which a snapshot keeps.
 */
export async function stateLine(manager: JetStreamManager, { config, state }: StreamInfo): Promise<string> {
  const consumers: string[] = [];
  for await (const { name, config: consumer, delivered, ack_floor, num_ack_pending } of manager.consumers.list(config.name)) {
    if (consumer.durable_name === undefined) continue;
    consumers.push(`${name} ${delivered.stream_seq} ${ack_floor.stream_seq} ${num_ack_pending} ${consumerLine(consumer)}`);
  }
  return [
    streamLine(config),
    state.messages,
    state.bytes,
    state.last_seq,
    // Where nothing is stored, the first is what the next will be, or nothing yet.
    state.messages === 0 ? '' : `${state.first_seq} ${state.first_ts} ${state.last_ts}`,
    state.num_subjects ?? 0,
    state.num_deleted ?? 0,
    ...consumers.sort(),
  ].join('|');
}

/** As it is when it is not held, without what the move itself changes. */
function streamLine(config: StreamConfig): string {
  const { max_bytes: _bytes, num_replicas: _replicas, placement: _placement, metadata, ...rest } = releasedConfig(config) ?? config;
  return canonical({ ...rest, metadata: clientsOwn(metadata) });
}

/** Without the pause, which is the platform's, and without how many copies a server keeps of it. */
function consumerLine(config: ConsumerConfig): string {
  const { pause_until: _pause, num_replicas: _replicas, metadata, ...rest } = config;
  return canonical({ ...rest, metadata: clientsOwn(metadata) });
}

/** Servers write their version there. */
function clientsOwn(metadata: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !key.startsWith('_nats.')));
}

/** Keys in order, and without those that say nothing: one server leaves out what another answers as false, 0 or empty. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => [key, member ? canonical(member) : ''] as const);
  const said = members.filter(([, text]) => !['', '[]', '{}'].includes(text)).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${said.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join()}}`;
}
