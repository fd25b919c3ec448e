// Ready-made checks. Those of redis, mongodb and nats speak just enough of the protocol to know that the server answers.
import type { CheckFunction } from './registry';
import { exchange, type TcpAddress } from './tcp';

export interface HttpCheckOptions {
  url: string;
  /** Default 200 to 299. */
  isOk?: (status: number) => boolean;
}

export function httpCheck({ url, isOk = (status) => status >= 200 && status < 300 }: HttpCheckOptions): CheckFunction {
  return async (signal) => {
    const response = await fetch(url, { signal, redirect: 'manual' });
    await response.body?.cancel();
    if (!isOk(response.status)) throw new Error(`answered ${response.status}`);
  };
}

/** The answer of the standard gRPC health service: SERVING is 1, by name where enums are strings. */
function assertServing(status: unknown): void {
  if (status !== 1 && status !== 'SERVING') throw new Error(`not serving (status ${String(status)})`);
}

/** @param health asks a gRPC health service, with the deadline of its own client */
export function grpcCheck(health: () => Promise<{ status?: unknown }>): CheckFunction {
  return async () => assertServing((await health()).status);
}

/** @param connection a client `Connection` of the Temporal SDK */
export function temporalCheck(connection: {
  healthService: { check(request: { service: string }): Promise<{ status?: unknown }> };
}): CheckFunction {
  return grpcCheck(() => connection.healthService.check({ service: 'temporal.api.workflowservice.v1.WorkflowService' }));
}

/** @param pool a `Pool` of pg */
export function postgresCheck(pool: { query(text: string): Promise<unknown> }): CheckFunction {
  return async () => {
    await pool.query('SELECT 1');
  };
}

export interface RedisCheckOptions extends TcpAddress {
  username?: string;
  password?: string;
}

function redisCommand(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

export function redisCheck({ host, port, username, password }: RedisCheckOptions): CheckFunction {
  const login = password === undefined ? '' : redisCommand('AUTH', ...(username === undefined ? [] : [username]), password);
  return async (signal) => {
    await exchange({
      host,
      port,
      signal,
      send: login + redisCommand('PING'),
      isComplete: (received) => {
        const text = received.toString('utf8');
        const refusal = /^-(.*)\r\n/m.exec(text);
        if (refusal) throw new Error(`refused: ${refusal[1]}`);
        return text.endsWith('+PONG\r\n');
      },
    });
  };
}

/** A NATS server speaks first: its INFO line is the answer. */
export function natsCheck({ host, port }: TcpAddress): CheckFunction {
  return async (signal) => {
    await exchange({
      host,
      port,
      signal,
      isComplete: (received) => {
        const text = received.toString('utf8');
        if (!text.startsWith('INFO '.slice(0, text.length))) throw new Error('does not speak the NATS protocol');
        return text.includes('\r\n');
      },
    });
  };
}

const OP_MSG = 2013;
const MONGO_HEADER_BYTES = 16;

/** OP_MSG with the document `{hello: 1, $db: "admin"}`. */
function mongoHello(): Buffer {
  const int32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  };
  const elements = Buffer.concat([
    Buffer.from('\x10hello\0', 'latin1'),
    int32(1),
    Buffer.from('\x02$db\0', 'latin1'),
    int32(6),
    Buffer.from('admin\0\0', 'latin1'),
  ]);
  const body = Buffer.concat([int32(0), Buffer.from([0]), int32(elements.length + 4), elements]);
  return Buffer.concat([int32(MONGO_HEADER_BYTES + body.length), int32(1), int32(0), int32(OP_MSG), body]);
}

// The element `ok: 1.0` of the answer.
const MONGO_OK = Buffer.from([0x01, 0x6f, 0x6b, 0x00, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);

export function mongoCheck({ host, port }: TcpAddress): CheckFunction {
  return async (signal) => {
    const answer = await exchange({
      host,
      port,
      signal,
      send: mongoHello(),
      isComplete: (received) => {
        if (received.length < MONGO_HEADER_BYTES) return false;
        if (received.readInt32LE(12) !== OP_MSG) throw new Error('does not speak the MongoDB protocol');
        return received.length >= received.readInt32LE(0);
      },
    });
    if (!answer.includes(MONGO_OK)) throw new Error('answered hello with an error');
  };
}
