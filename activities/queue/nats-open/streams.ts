// The streams of one tenant among everybody's, and what can be done to them: writes stopped, consumers paused, both taken back.
import {
  type ConsumerInfo,
  DiscardPolicy,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
  type StreamUpdateConfig,
} from '@nats-io/jetstream';
import { objectOfStream } from './ownership';
import { isApiError } from './register';

const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
/** What a stream was before writes to it were stopped, in its own metadata: state is the server's. */
const HALTED = 'leasehold-halted';
/** Nobody else pauses until then, so a pause until then is ours. */
const PAUSED_UNTIL = '2199-12-31T23:59:59Z';

export interface Held {
  /** Nothing more is stored. */
  writes: boolean;
  /** Nothing more is delivered to consumers. Whoever reaches the server can still read message by message, or consume anew. */
  consumers: boolean;
}

export const NOTHING_HELD: Held = { writes: false, consumers: false };

export async function streamsOf(manager: JetStreamManager, objectName: string): Promise<StreamInfo[]> {
  const own: StreamInfo[] = [];
  for await (const info of manager.streams.list()) if (objectOfStream(info.config) === objectName) own.push(info);
  return own;
}

/** Holds and lets go until the stream and its consumers are as they should be. One that went away meanwhile is done. */
export async function settleStream(manager: JetStreamManager, { config }: Pick<StreamInfo, 'config'>, held: Held): Promise<void> {
  try {
    const next = held.writes ? haltedConfig(config) : releasedConfig(config);
    if (next !== null) await manager.streams.update(config.name, next);
    for await (const consumer of manager.consumers.list(config.name)) await settleConsumer(manager, consumer, held.consumers);
  } catch (error) {
    if (!isApiError(error, STREAM_NOT_FOUND)) throw error;
  }
}

async function settleConsumer(manager: JetStreamManager, { stream_name, name, config }: ConsumerInfo, pause: boolean): Promise<void> {
  const isOurs = config.pause_until !== undefined && Date.parse(config.pause_until) === Date.parse(PAUSED_UNTIL);
  try {
    if (pause && !isOurs) await manager.consumers.pause(stream_name, name, new Date(PAUSED_UNTIL));
    if (!pause && isOurs) await manager.consumers.resume(stream_name, name);
  } catch (error) {
    if (!isApiError(error, CONSUMER_NOT_FOUND)) throw error;
  }
}

interface Remembered {
  discard: DiscardPolicy;
  discard_new_per_subject: boolean;
  max_bytes: number;
}

/**
 * A stream that discards what is new and may hold one byte stores nothing, whatever it holds: publishers are told "maximum bytes exceeded".
 * It keeps its subjects, so that nobody else can take them, and its messages, which no other way of stopping it does. One that keeps the
 * last of each subject, as a key-value bucket, would still take a smaller message for a larger one: it is told to refuse that too. Null = it
 * is so already.
 */
export function haltedConfig(config: StreamConfig): Partial<StreamUpdateConfig> | null {
  if (config.metadata?.[HALTED] !== undefined || isCopyOfAnother(config)) return null;
  const { discard, discard_new_per_subject = false, max_bytes } = config;
  const remembered: Remembered = { discard, discard_new_per_subject, max_bytes };
  return {
    ...config,
    discard: DiscardPolicy.New,
    discard_new_per_subject: config.max_msgs_per_subject > 0,
    max_bytes: 1,
    metadata: { ...config.metadata, [HALTED]: JSON.stringify(remembered) },
  };
}

/** As it was before; null = it was not stopped. */
export function releasedConfig(config: StreamConfig): Partial<StreamUpdateConfig> | null {
  const text = config.metadata?.[HALTED];
  if (text === undefined) return null;
  const { [HALTED]: _, ...metadata } = config.metadata ?? {};
  const remembered = readRemembered(text);
  // Anybody can write metadata: the server refuses this where it means nothing.
  const isPerSubject = remembered.discard_new_per_subject && remembered.discard === DiscardPolicy.New && config.max_msgs_per_subject > 0;
  return { ...config, ...remembered, discard_new_per_subject: isPerSubject, metadata };
}

/** The same with another bound, which it has as soon as it is not held any more. */
export function withBound(config: StreamConfig, bound: number): StreamConfig {
  const text = config.metadata?.[HALTED];
  if (text === undefined) return { ...config, max_bytes: bound };
  const remembered: Remembered = { ...readRemembered(text), max_bytes: bound };
  return { ...config, metadata: { ...config.metadata, [HALTED]: JSON.stringify(remembered) } };
}

/** What it may come to when it is not held. */
export function boundOf(config: StreamConfig): number {
  return (releasedConfig(config) ?? config).max_bytes ?? -1;
}

/** Anybody can write metadata: what does not fit is no limit, so that nothing is discarded by it. */
function readRemembered(text: string): Remembered {
  try {
    const { discard, discard_new_per_subject, max_bytes } = JSON.parse(text) as Partial<Remembered>;
    return {
      discard_new_per_subject: discard_new_per_subject === true,
      discard: discard === DiscardPolicy.New ? DiscardPolicy.New : DiscardPolicy.Old,
      max_bytes: Number.isSafeInteger(max_bytes) ? Number(max_bytes) : -1,
    };
  } catch {
    return { discard: DiscardPolicy.Old, discard_new_per_subject: false, max_bytes: -1 };
  }
}

/** Nobody publishes to a mirror, and it may not be told to refuse what it mirrors. */
function isCopyOfAnother(config: StreamConfig): boolean {
  return config.mirror !== undefined;
}
