// The broker as the relay needs it: a connection that ends for good when it is lost, and a publish that says whose fault a failure is.
import type { JetStreamClient } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { EVENT_STREAM, eventSubject } from '../events';
import type { OutboxRow } from '../outbox';
import { Nkey } from '../queueprovider';
import { initStreams, type StreamSettings } from './streams';

export interface BrokerOptions {
  /** `nats://` or `tls://`; may hold a user and a password, or a token. */
  url: string;
  /** What a .creds file holds: a signed user and its seed. */
  creds?: string;
  stream: StreamSettings;
}

export type PublishOutcome = { outcome: 'published'; isDuplicate: boolean } | { outcome: 'refused'; error: string };

const CONNECT_TIMEOUT_MS = 5_000;
export const ACK_TIMEOUT_MS = 5_000;
const PING_INTERVAL_MS = 10_000;
/** JetStream's word for "this message, whoever asks". */
const BAD_REQUEST = 400;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const PRINTABLE = /^[\x21-\x7e]{1,255}$/;

export class Broker {
  readonly #connection: NatsConnection;
  readonly #jetstream: JetStreamClient;
  readonly #newHeaders: () => MsgHdrs;

  private constructor(parts: { connection: NatsConnection; jetstream: JetStreamClient; newHeaders: () => MsgHdrs }) {
    this.#connection = parts.connection;
    this.#jetstream = parts.jetstream;
    this.#newHeaders = parts.newHeaders;
  }

  /** With the stream made and up to date. @throws Error without a secret */
  static async open({ url, creds, stream }: BrokerOptions): Promise<Broker> {
    // Loaded here only: whoever reads events needs no broker.
    const { connect, headers } = await import('@nats-io/transport-node');
    const { jetstream, jetstreamManager } = await import('@nats-io/jetstream');
    const connection = await connect({
      ...loginOf(url, creds),
      name: 'leasehold-relay',
      // A client that reconnects sends later what it could not send in time: the relay decides again instead.
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      ignoreClusterUpdates: true,
    });
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ACK_TIMEOUT_MS });
      await initStreams(manager.streams, stream);
    } catch (error) {
      await connection.close();
      throw error;
    }
    return new Broker({ connection, jetstream: jetstream(connection, { timeout: ACK_TIMEOUT_MS }), newHeaders: () => headers() });
  }

  get isClosed(): boolean {
    return this.#connection.isClosed();
  }

  /** Refused: this message will never be taken. @throws Error when the broker is away, or takes nothing at all */
  async publish(row: OutboxRow): Promise<PublishOutcome> {
    const message = Buffer.from(JSON.stringify(row.payload));
    let subject: string;
    try {
      subject = eventSubject(subjectParts(row));
    } catch (error) {
      return { outcome: 'refused', error: messageOf(error) };
    }
    const limit = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    const headers = this.#headersOf(row);
    if (message.length + headers.toString().length > limit) return { outcome: 'refused', error: `larger than the broker's ${limit} bytes` };
    try {
      const answer = await this.#jetstream.publish(subject, message, { msgID: row.id, headers, timeout: ACK_TIMEOUT_MS });
      if (answer.stream !== EVENT_STREAM) throw new Error(`the broker keeps ${subject} in the stream ${answer.stream}`);
      return { outcome: 'published', isDuplicate: answer.duplicate };
    } catch (error) {
      if (isBadRequest(error)) return { outcome: 'refused', error: messageOf(error) };
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#connection.close().catch(() => undefined);
  }

  #headersOf(row: OutboxRow): MsgHdrs {
    const headers = this.#newHeaders();
    const requestId = row.payload.request_id;
    headers.set('Leasehold-Resource-Id', row.resourceId);
    headers.set('Leasehold-Revision', String(row.revision));
    // A header that the protocol cannot carry must not keep the event back.
    if (typeof requestId === 'string' && PRINTABLE.test(requestId)) headers.set('Leasehold-Request-Id', requestId);
    if (row.traceparent !== null && TRACEPARENT.test(row.traceparent)) headers.set('traceparent', row.traceparent);
    return headers;
  }
}

function subjectParts({ payload, type }: OutboxRow): Parameters<typeof eventSubject>[0] {
  return { version: Number(payload.version), resource_type: String(payload.resource_type), type };
}

function loginOf(text: string, creds: string | undefined) {
  const url = new URL(text);
  const servers = `${url.protocol}//${url.hostname}:${url.port || '4222'}`;
  const secured = url.protocol === 'tls:' ? { tls: {} } : {};
  if (creds !== undefined) return { servers, ...secured, authenticator: signing(creds) };
  if (url.username === '') return { servers, ...secured };
  const user = decodeURIComponent(url.username);
  return url.password === '' ? { servers, ...secured, token: user } : { servers, ...secured, user, pass: decodeURIComponent(url.password) };
}

/** Signed with node:crypto: the library's own way blocks the event loop for long. */
function signing(creds: string) {
  const { jwt, seed } = parseCreds(creds);
  const user = Nkey.fromSeed('user', seed);
  return (nonce?: string) => ({
    jwt,
    nkey: user.getPublicKey(),
    sig: Buffer.from(user.sign(Buffer.from(nonce ?? ''))).toString('base64url'),
  });
}

/** The file as the tools of NATS write it, or the two words of it on one line. @throws Error without what it was given */
export function parseCreds(text: string): { jwt: string; seed: string } {
  const [jwt] = /\beyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(text) ?? [];
  const [seed] = /\bSU[A-Z2-7]{56}\b/.exec(text) ?? [];
  if (jwt === undefined || seed === undefined) throw new Error('the credentials hold no signed user (eyJ...) with its seed (SU...)');
  return { jwt, seed };
}

function isBadRequest(error: unknown): boolean {
  return error instanceof Error && error.name === 'JetStreamApiError' && 'status' in error && error.status === BAD_REQUEST;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
