// The messages of one request in the stream of events.
import { sanitizeText } from '../../shared/sanitize';
import type { Place } from './places';

export interface Broker {
  url: string;
  /** What a .creds file holds. */
  creds?: string;
}

const STREAM = 'LEASEHOLD_EVENTS';
const REQUEST_HEADER = 'Leasehold-Request-Id';
/** Clocks of broker and database may differ. */
const EARLIER_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** Reads headers only, from a little before the first event of the request; without an event there is no message. */
export async function streamMessages(broker: Broker | null, search: { requestId: string; since: Date | null }): Promise<Place> {
  const { requestId, since } = search;
  if (broker === null) return { found: [], unreachable: 'no broker of events is known (LEASEHOLD_EVENTS_NATS_URL)' };
  if (since === null) return { found: [] };
  try {
    return { found: await read(broker, { requestId, since }) };
  } catch (error) {
    return { found: [], unreachable: sanitizeText(error instanceof Error ? error.message : String(error)) };
  }
}

async function read({ url, creds }: Broker, search: { requestId: string; since: Date }): Promise<string[]> {
  // Loaded here only: the other commands answer faster without them.
  const { connect, credsAuthenticator } = await import('@nats-io/transport-node');
  const { DeliverPolicy, jetstream } = await import('@nats-io/jetstream');
  const connection = await connect({
    servers: new URL(url).host,
    timeout: CONNECT_TIMEOUT_MS,
    reconnect: false,
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) }),
  });
  try {
    const consumer = await jetstream(connection).consumers.get(STREAM, {
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: new Date(search.since.getTime() - EARLIER_MS).toISOString(),
      headers_only: true,
    });
    const found: string[] = [];
    let { num_pending: left } = await consumer.info();
    if (left === 0) return found;
    for await (const message of await consumer.consume()) {
      if (message.headers?.get(REQUEST_HEADER) === search.requestId) {
        found.push(`${STREAM} ${message.seq} ${message.subject}, id ${message.headers.get('Nats-Msg-Id')}`);
      }
      left -= 1;
      if (left <= 0) break;
    }
    return found;
  } finally {
    await connection.close();
  }
}
