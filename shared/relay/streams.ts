// The JetStream stream of the platform's events: made or brought up to date by whoever comes first, never deleted.
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { EVENT_STREAM, EVENT_SUBJECTS } from '../events';

export interface StreamSettings {
  /** How long events are kept. */
  retentionMs: number;
  /** The oldest go first when there is no more room. */
  maxBytes: number;
}

/** JetStream's default, and what servers allow without being asked: it has to be longer than a relay's lease on a row. */
const DUPLICATE_WINDOW_MS = 120_000;
const NANOSECONDS = 1_000_000;
const ATTEMPTS = 10;
const STREAM_NOT_FOUND = 10059;

type OurConfig = Pick<
  StreamConfig,
  'name' | 'description' | 'subjects' | 'storage' | 'retention' | 'discard' | 'max_age' | 'max_bytes' | 'duplicate_window'
>;

function wanted({ retentionMs, maxBytes }: StreamSettings): OurConfig {
  return {
    name: EVENT_STREAM,
    description: 'Events of the platform: docs/events.md',
    subjects: [EVENT_SUBJECTS],
    storage: 'file',
    retention: 'limits',
    discard: 'old',
    max_age: retentionMs * NANOSECONDS,
    max_bytes: maxBytes,
    duplicate_window: Math.min(DUPLICATE_WINDOW_MS, retentionMs) * NANOSECONDS,
  };
}

/**
 * Safe by many at once and at any time. What an operator set besides (replicas, placement, mirrors) stays as it is.
 * @throws Error when the broker does not have it
 */
export async function initStreams(streams: JetStreamManager['streams'], settings: StreamSettings): Promise<void> {
  const config = wanted(settings);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const current = await streams.info(EVENT_STREAM).then(
        (info) => info.config,
        (error: unknown) => {
          if (codeOf(error) === STREAM_NOT_FOUND) return null;
          throw error;
        },
      );
      if (current === null) await streams.add(config);
      else if (differs(current, config)) await streams.update(EVENT_STREAM, { ...current, ...config });
      return;
    } catch (error) {
      // Another one may have made it, with other limits, since we looked.
      if (attempt === ATTEMPTS || codeOf(error) === null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20 * attempt));
    }
  }
}

function differs(current: Partial<StreamConfig>, config: OurConfig): boolean {
  return Object.entries(config).some(([name, value]) => JSON.stringify(current[name as keyof OurConfig]) !== JSON.stringify(value));
}

/** Null for what the server's JetStream did not say itself. */
function codeOf(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}
