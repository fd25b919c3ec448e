// MinIO's admin API, as far as tenants' users need it: users, their policies, their status and their sessions.
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { sealForMinio } from './minioencryption';
import type { CallOptions, StorageKey } from './types';

const PATH = '/minio/admin/v3';
const TIMEOUT_MS = 30_000;

/** What the server answers, by the code that it gives it. */
export class MinioAdminError extends Error {
  constructor(
    override readonly name: string,
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export interface MinioAdminOptions {
  /** Without a slash at its end. */
  endpoint: string;
  region: string;
  key: StorageKey;
}

export interface MinioAdminCall {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  path: string;
  query?: Record<string, string>;
  body?: string | Buffer;
}

export class MinioAdmin {
  readonly #options: MinioAdminOptions;
  readonly #signer: SignatureV4;

  constructor(options: MinioAdminOptions) {
    this.#options = options;
    const { key: credentials, region } = options;
    this.#signer = new SignatureV4({ credentials, region, service: 's3', sha256: Sha256, uriEscapePath: false });
  }

  /** Makes the user, or gives it another secret; its policies and sessions stay. */
  async putUser(userName: string, secret: string, options: CallOptions = {}): Promise<void> {
    const body = await sealForMinio(this.#options.key.secretAccessKey, JSON.stringify({ secretKey: secret, status: 'enabled' }));
    await this.send({ method: 'PUT', path: '/add-user', query: { accessKey: userName }, body }, options);
  }

  async hasUser(userName: string, options: CallOptions = {}): Promise<boolean> {
    const answer = await absent(() => this.send({ method: 'GET', path: '/user-info', query: { accessKey: userName } }, options));
    return answer !== undefined;
  }

  /** Ends every session that was begun by the user. */
  async endSessions(userName: string, options: CallOptions = {}): Promise<void> {
    const query = { user: userName, fullRevoke: 'true' };
    await absent(() => this.send({ method: 'POST', path: '/revoke-tokens/builtin', query }, options));
  }

  /** Absent is success. */
  async removeUser(userName: string, options: CallOptions = {}): Promise<void> {
    await absent(() => this.send({ method: 'DELETE', path: '/remove-user', query: { accessKey: userName } }, options));
  }

  async putPolicy(name: string, document: string, options: CallOptions = {}): Promise<void> {
    await this.send({ method: 'PUT', path: '/add-canned-policy', query: { name }, body: document }, options);
  }

  /** The user's one policy, from then on. */
  async attachPolicy(name: string, userName: string, options: CallOptions = {}): Promise<void> {
    const query = { policyName: name, userOrGroup: userName, isGroup: 'false' };
    await this.send({ method: 'PUT', path: '/set-user-or-group-policy', query }, options);
  }

  /** Absent is success; one that a user still has is not. */
  async removePolicy(name: string, options: CallOptions = {}): Promise<void> {
    await absent(() => this.send({ method: 'DELETE', path: '/remove-canned-policy', query: { name } }, options));
  }

  /** Documents by name. */
  async policies(options: CallOptions = {}): Promise<Map<string, string>> {
    const answer = await this.send({ method: 'GET', path: '/list-canned-policies' }, options);
    const documents = Object.entries(JSON.parse(answer) as Record<string, unknown>);
    return new Map(documents.map(([name, document]) => [name, JSON.stringify(document)]));
  }

  /** Any call; what was to be sealed is sealed. @throws MinioAdminError */
  async send({ method, path, query = {}, body = '' }: MinioAdminCall, { signal }: CallOptions = {}): Promise<string> {
    const { protocol, hostname, port, host, origin } = new URL(this.#options.endpoint);
    const sha256 = createHash('sha256').update(body).digest('hex');
    const request = { method, protocol, hostname, path: `${PATH}${path}`, query, body };
    const { headers } = await this.#signer.sign({
      ...request,
      ...(port === '' ? {} : { port: Number(port) }),
      headers: { host, 'x-amz-content-sha256': sha256 },
    });
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(`${origin}${request.path}?${new URLSearchParams(query)}`, {
      method,
      headers,
      body: method === 'GET' ? undefined : body,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const text = await answer.text();
    if (!answer.ok) throw errorOf(answer.status, text);
    return text;
  }
}

const ABSENT = ['XMinioAdminNoSuchUser', 'XMinioAdminNoSuchPolicy'];

async function absent<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof MinioAdminError && ABSENT.includes(error.name)) return undefined;
    throw error;
  }
}

function errorOf(status: number, text: string): MinioAdminError {
  try {
    const { Code, Message } = JSON.parse(text) as { Code?: unknown; Message?: unknown };
    if (typeof Code === 'string') return new MinioAdminError(Code, String(Message), status);
  } catch {
    // Something before the server answered.
  }
  return new MinioAdminError('MinioAdminError', `the admin API of MinIO answered ${status}`, status);
}

/** What the signer wants of a hash, from Node's. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): string | Uint8Array {
  if (typeof data === 'string') return data;
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
}
