// Signatures of received requests, computed again from what was received and compared: in the header, and in the url.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { Refusal } from './refusal';

export interface Received {
  method: string;
  /** As it stood in the request line, still encoded. */
  path: string;
  query: ReadonlyMap<string, string>;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

export interface Signed {
  accessKeyId: string;
  sessionToken: string | null;
}

interface Scope {
  service: string;
  region: string;
}

/** @returns the secret of a key that the service knows, or throws the refusal that it answers. */
export type SecretOf = (signed: Signed) => string;

const LONGEST_SKEW_MS = 15 * 60_000;
const PRESIGN_PARAMETERS = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
];

class NodeSha256 {
  #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = secret === undefined || typeof secret === 'string' ? secret : bytesOf(secret);
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', key);
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = createHash('sha256');
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
}

/** Null for a request that is not signed at all. */
export async function verifySignature(received: Received, scope: Scope, secretOf: SecretOf): Promise<Signed | null> {
  if (received.query.has('X-Amz-Signature')) return await verifyUrl(received, scope, secretOf);
  if (received.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ')) return await verifyHeader(received, scope, secretOf);
  return null;
}

async function verifyHeader(received: Received, scope: Scope, secretOf: SecretOf): Promise<Signed> {
  const { authorization = '' } = received.headers;
  const match = /Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
    authorization,
  );
  if (match === null) throw new Refusal(400, 'AuthorizationHeaderMalformed', 'the authorization header cannot be read');
  const [, accessKeyId = '', , region = '', service = '', names = ''] = match;
  checkScope({ region, service }, scope);
  const signedAt = amzDate(received.headers['x-amz-date']);
  if (Math.abs(signedAt.getTime() - Date.now()) > LONGEST_SKEW_MS) throw new Refusal(403, 'RequestTimeTooSkewed', 'signed at another time');
  checkBody(received);
  const sessionToken = received.headers['x-amz-security-token'] ?? null;
  const secret = secretOf({ accessKeyId, sessionToken });
  const headers = Object.fromEntries(names.split(';').map((name) => [name, received.headers[name] ?? '']));
  const signed = await signer(scope, { accessKeyId, secret, sessionToken }).sign(
    { ...requestOf(received, [...received.query]), headers },
    { signingDate: signedAt },
  );
  if (!same(String(signed.headers.authorization), authorization))
    throw new Refusal(403, 'SignatureDoesNotMatch', `the signature of ${received.method} ${received.path} is not the right one`, true);
  return { accessKeyId, sessionToken };
}

async function verifyUrl(received: Received, scope: Scope, secretOf: SecretOf): Promise<Signed> {
  const parameter = (name: string) => received.query.get(name) ?? '';
  const [accessKeyId = '', , region = '', service = ''] = parameter('X-Amz-Credential').split('/');
  checkScope({ region, service }, scope);
  const signedAt = amzDate(parameter('X-Amz-Date'));
  const expiresIn = Number(parameter('X-Amz-Expires'));
  if (!(expiresIn >= 1 && expiresIn <= 604_800)) throw new Refusal(400, 'AuthorizationQueryParametersError', 'X-Amz-Expires', true);
  if (Date.now() > signedAt.getTime() + expiresIn * 1000) throw new Refusal(403, 'AccessDenied', 'Request has expired');
  const sessionToken = received.query.get('X-Amz-Security-Token') ?? null;
  const secret = secretOf({ accessKeyId, sessionToken });
  const rest = [...received.query].filter(([name]) => !PRESIGN_PARAMETERS.includes(name));
  // What the client moved from the headers into the url goes back, as it was when it was signed.
  const moved = rest.filter(([name]) => /^x-amz-/i.test(name));
  const names = parameter('X-Amz-SignedHeaders').split(';');
  const headers = { ...Object.fromEntries(names.map((name) => [name, received.headers[name] ?? ''])), ...Object.fromEntries(moved) };
  const request = requestOf(
    received,
    rest.filter(([name]) => !/^x-amz-/i.test(name)),
  );
  const signed = await signer(scope, { accessKeyId, secret, sessionToken }).presign(
    { ...request, headers },
    { signingDate: signedAt, expiresIn },
  );
  if (!same(String(signed.query?.['X-Amz-Signature']), parameter('X-Amz-Signature')))
    throw new Refusal(403, 'SignatureDoesNotMatch', `the signed url of ${received.path} is not signed right`, true);
  return { accessKeyId, sessionToken };
}

function checkScope(given: Scope, { service, region }: Scope): void {
  if (given.service !== service)
    throw new Refusal(400, 'AuthorizationHeaderMalformed', `signed for ${given.service}, this is ${service}`, true);
  if (given.region !== region)
    throw new Refusal(
      400,
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${given.region}' is wrong; expecting '${region}'`,
    );
}

function checkBody({ headers, body }: Received): void {
  const given = headers['x-amz-content-sha256'];
  if (given === undefined || given === 'UNSIGNED-PAYLOAD') return;
  if (given !== createHash('sha256').update(body).digest('hex'))
    throw new Refusal(400, 'XAmzContentSHA256Mismatch', 'the body is not the one that was signed', true);
}

function signer({ service, region }: Scope, key: { accessKeyId: string; secret: string; sessionToken: string | null }): SignatureV4 {
  return new SignatureV4({
    ...{ service, region, sha256: NodeSha256, applyChecksum: false, uriEscapePath: service !== 's3' },
    credentials: {
      accessKeyId: key.accessKeyId,
      secretAccessKey: key.secret,
      ...(key.sessionToken === null ? {} : { sessionToken: key.sessionToken }),
    },
  });
}

function requestOf({ method, path, headers, body }: Received, query: [string, string][]) {
  const [hostname = '', port] = (headers.host ?? '').split(':');
  return {
    ...{ method, path, body, hostname, protocol: 'http:', query: Object.fromEntries(query) },
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

/** `20261122T010203Z` */
function amzDate(text: string | undefined): Date {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '');
  if (match === null) throw new Refusal(403, 'AccessDenied', 'the request has no date');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second));
}

function same(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
