// MongoDB's wire protocol by hand: what no driver would send, and one socket of which it is known that it is the same one.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Binary, BSON, type Document } from 'mongodb';

const OP_MSG = 2013;
const OP_QUERY = 2004;
const ANSWER_MS = 30_000;

export class RawConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #waiting: { resolve: (message: Buffer) => void; reject: (error: Error) => void; timer: NodeJS.Timeout } | null = null;
  #broken: Error | null = null;
  #requestId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#take(data));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  /** The answer, also when it is `ok: 0`. */
  async ask(command: Document): Promise<Document> {
    const answer = await this.#exchange(OP_MSG, Buffer.concat([Buffer.alloc(5), BSON.serialize(command)]));
    return BSON.deserialize(answer.subarray(16 + 5), { promoteBuffers: false });
  }

  /** @throws Error when the server refuses */
  async command(command: Document): Promise<Document> {
    const answer = await this.ask(command);
    if (answer.ok !== 1) throw new Error(`${answer.code ?? ''} ${answer.errmsg ?? JSON.stringify(answer)}`);
    return answer;
  }

  /** The old form of a request, from before OP_MSG. */
  async query(database: string, command: Document): Promise<Document> {
    const head = Buffer.concat([Buffer.alloc(4), Buffer.from(`${database}.$cmd\0`), Buffer.alloc(8)]);
    head.writeInt32LE(1, head.length - 4);
    const answer = await this.#exchange(OP_QUERY, Buffer.concat([head, BSON.serialize(command)]));
    return BSON.deserialize(answer.subarray(16 + 20));
  }

  /** Bytes as they are; resolves when the server has closed, or after a while. */
  async spill(bytes: Buffer, withinMs = 3_000): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.write(bytes);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, withinMs).unref())]);
  }

  /** SCRAM-SHA-256 as RFC 5802 has it; `leaveOpen` skips the empty exchange at its end, after the server has accepted the proof. */
  async logIn(login: { user: string; password: string; database: string }, options: { leaveOpen?: boolean } = {}): Promise<void> {
    const nonce = randomBytes(18).toString('base64');
    const first = `n=${login.user},r=${nonce}`;
    const payload = (text: string) => new Binary(Buffer.from(text));
    const start = { saslStart: 1, mechanism: 'SCRAM-SHA-256', payload: payload(`n,,${first}`), $db: login.database };
    const challenge = textOf((await this.command(start)).payload);
    const facts = new Map(challenge.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
    const salted = pbkdf2Sync(login.password, Buffer.from(facts.get('s') ?? '', 'base64'), Number(facts.get('i')), 32, 'sha256');
    const clientKey = createHmac('sha256', salted).update('Client Key').digest();
    const withoutProof = `c=biws,r=${facts.get('r')}`;
    const signature = createHmac('sha256', createHash('sha256').update(clientKey).digest())
      .update(`${first},${challenge},${withoutProof}`)
      .digest();
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0))).toString('base64');
    const go = (text: string) => this.command({ saslContinue: 1, conversationId: 1, payload: payload(text), $db: login.database });
    await go(`${withoutProof},p=${proof}`);
    if (!options.leaveOpen) await go('');
  }

  close(): void {
    this.#socket.destroy();
  }

  #exchange(opCode: number, body: Buffer): Promise<Buffer> {
    if (this.#broken) return Promise.reject(this.#broken);
    const header = Buffer.alloc(16);
    this.#requestId += 1;
    for (const [index, value] of [16 + body.length, this.#requestId, 0, opCode].entries()) header.writeInt32LE(value, index * 4);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error(`no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
      this.#waiting = { resolve, reject, timer };
      this.#socket.write(Buffer.concat([header, body]));
    });
  }

  #take(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    if (this.#received.length < 4) return;
    const length = this.#received.readInt32LE(0);
    if (this.#received.length < length) return;
    const message = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    const waiting = this.#waiting;
    this.#waiting = null;
    clearTimeout(waiting?.timer);
    waiting?.resolve(message);
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    clearTimeout(waiting?.timer);
    if (waiting === null) this.#broken ??= error;
    waiting?.reject(error);
  }
}

function textOf(payload: unknown): string {
  if (payload instanceof Binary) return Buffer.from(payload.buffer).toString('utf8', 0, payload.position);
  throw new Error('the server gave no payload');
}

/** A request that is a document in a document in a document: what makes a careless parser run out of stack. */
export function nestedRequest(levels: number): Buffer {
  const document = Buffer.alloc(levels * 8 + 5);
  for (let level = 0; level < levels; level += 1) {
    const offset = level * 7;
    document.writeInt32LE(document.length - level * 8, offset);
    // Type 3, a document; its name.
    document.write('\x03a\0', offset + 4, 'latin1');
  }
  document.writeInt32LE(5, levels * 7);
  const header = Buffer.alloc(16 + 5);
  header.writeInt32LE(header.length + document.length, 0);
  header.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([header, document]);
}
