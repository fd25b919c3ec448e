// A double of the S3 API: buckets and objects in memory, the answers in S3's XML, and every request judged by whose key signed it.
import { createHash } from 'node:crypto';
import { Refusal } from './refusal';
import type { Answer, DoubleServer, Handler } from './server';
import { type Received, type SecretOf, verifySignature } from './signature';

/** Whoever signed, as far as S3 asks. */
export interface Principal {
  secret: string;
  may(question: { action: string; bucket: string; key?: string; prefix?: string }): boolean;
}

export interface S3Options {
  region: string;
  /** Throws the refusal for a key that is not known, or not any more. */
  identify(accessKeyId: string, sessionToken: string | null): Principal;
  /** Answer to a stranger at the root. */
  stranger: Answer;
  hasVersions: boolean;
  hasPolicies: boolean;
  /** Knows Content-MD5 alone where AWS takes a newer checksum as well. */
  onlyMd5?: boolean;
  /** Keys a page, at most. */
  page?: number;
}

interface Bucket {
  objects: Map<string, Buffer>;
  policy: string | null;
}

const PAGE = 1000;
/** "Bucket policies are limited to 20 KB in size" (Amazon S3 User Guide). */
const POLICY_BYTES = 20_480;
const XML = { 'content-type': 'application/xml', server: 'double' };

export class S3Double {
  readonly buckets = new Map<string, Bucket>();
  readonly #options: S3Options;
  readonly #server: DoubleServer;

  constructor(server: DoubleServer, options: S3Options) {
    this.#server = server;
    this.#options = options;
  }

  readonly handle: Handler = async (received) => {
    const { bucket, key } = placeOf(received.path);
    const action = actionOf(received, bucket, key);
    return {
      action,
      run: async () => {
        try {
          if (action === 'unknown') throw new Refusal(501, 'NotImplemented', `${received.method} ${received.path} is not known`, true);
          const principal = await this.#principal(received);
          if (principal === null) return this.#options.stranger;
          return this.#run(action, { received, bucket, key, principal });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          if (error.isFault) this.#server.faults.push(`s3 ${action}: ${error.code} ${error.message}`);
          return errorAnswer(error);
        }
      },
    };
  };

  async #principal(received: Received): Promise<Principal | null> {
    const known: { principal?: Principal } = {};
    const secretOf: SecretOf = ({ accessKeyId, sessionToken }) => {
      known.principal = this.#options.identify(accessKeyId, sessionToken);
      return known.principal.secret;
    };
    const signed = await verifySignature(received, { service: 's3', region: this.#options.region }, secretOf);
    return signed === null ? null : (known.principal ?? null);
  }

  #run(action: string, request: Request): Answer {
    const { bucket, key } = request;
    switch (action) {
      case 'ListBuckets':
        return this.#listBuckets(request);
      case 'CreateBucket':
        return this.#createBucket(request);
      case 'DeleteBucket':
        check(request, 's3:DeleteBucket');
        if (this.#bucket(bucket).objects.size > 0) throw new Refusal(409, 'BucketNotEmpty', 'The bucket is not empty');
        this.buckets.delete(bucket);
        return { status: 204 };
      case 'ListObjectsV2':
      case 'ListObjectVersions':
      case 'ListMultipartUploads':
        return this.#list(action, request);
      case 'DeleteObjects':
        return this.#deleteObjects(request);
      case 'GetBucketPolicy':
      case 'PutBucketPolicy':
      case 'DeleteBucketPolicy':
        return this.#policy(action, request);
      case 'PutObject':
        check(request, 's3:PutObject');
        this.#bucket(bucket).objects.set(key, request.received.body);
        return { status: 200, headers: { etag: etagOf(request.received.body) } };
      case 'DeleteObject':
        check(request, 's3:DeleteObject');
        this.#bucket(bucket).objects.delete(key);
        return { status: 204 };
      default:
        return this.#getObject(request);
    }
  }

  #getObject(request: Request): Answer {
    check(request, 's3:GetObject');
    const object = this.#bucket(request.bucket).objects.get(request.key);
    if (object === undefined) throw new Refusal(404, 'NoSuchKey', 'The specified key does not exist.');
    return { status: 200, headers: { etag: etagOf(object), 'content-type': 'application/octet-stream' }, body: object };
  }

  #listBuckets(request: Request): Answer {
    check(request, 's3:ListAllMyBuckets');
    const { page, next } = pageOf([...this.buckets.keys()].sort(), request.received.query.get('continuation-token'), this.#page(request));
    const buckets = page.map((name) => `<Bucket><Name>${name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>`);
    const token = next === null ? '' : `<ContinuationToken>${escaped(next)}</ContinuationToken>`;
    return xml(`<ListAllMyBucketsResult><Buckets>${buckets.join('')}</Buckets>${token}</ListAllMyBucketsResult>`);
  }

  /** Everywhere but in us-east-1 the body names the region; there it must not. */
  #createBucket(request: Request): Answer {
    check(request, 's3:CreateBucket');
    const location = /<LocationConstraint>([^<]*)<\/LocationConstraint>/.exec(request.received.body.toString())?.[1] ?? null;
    const { region } = this.#options;
    if ((region === 'us-east-1') !== (location === null) || (location !== null && location !== region))
      throw new Refusal(400, 'IllegalLocationConstraintException', `${location} is not the region of this endpoint`, true);
    if (this.buckets.has(request.bucket)) {
      // The one region that has kept the answer of its first years.
      if (region === 'us-east-1') return { status: 200 };
      throw new Refusal(409, 'BucketAlreadyOwnedByYou', 'Your previous request to create the named bucket succeeded');
    }
    this.buckets.set(request.bucket, { objects: new Map(), policy: null });
    return { status: 200, headers: { location: `/${request.bucket}` } };
  }

  #list(action: string, request: Request): Answer {
    const { query } = request.received;
    const prefix = query.get('prefix') ?? '';
    if (action === 'ListObjectVersions' && !this.#options.hasVersions)
      throw new Refusal(501, 'NotImplemented', 'ListObjectVersions not implemented');
    const allowed =
      { ListObjectsV2: 's3:ListBucket', ListObjectVersions: 's3:ListBucketVersions' }[action] ?? 's3:ListBucketMultipartUploads';
    check(request, allowed, { prefix });
    const { objects } = this.#bucket(request.bucket);
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    if (action === 'ListMultipartUploads')
      return xml('<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>');
    if (action === 'ListObjectVersions') {
      const versions = keys
        .slice(0, this.#page(request))
        .map((key) => `<Version><Key>${escaped(key)}</Key><VersionId>null</VersionId></Version>`);
      return xml(`<ListVersionsResult><IsTruncated>false</IsTruncated>${versions.join('')}</ListVersionsResult>`);
    }
    return xml(listing(objects, keys, { prefix, query, page: this.#page(request) }));
  }

  #deleteObjects(request: Request): Answer {
    checkIntegrity(request.received, this.#options.onlyMd5 === true);
    const keys = [...request.received.body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => unescaped(match[1] ?? ''));
    if (keys.length === 0 || keys.length > PAGE) throw new Refusal(400, 'MalformedXML', `${keys.length} keys`, true);
    const { objects } = this.#bucket(request.bucket);
    for (const key of keys) {
      check({ ...request, key }, 's3:DeleteObject');
      objects.delete(key);
    }
    return xml('<DeleteResult></DeleteResult>');
  }

  #policy(action: string, request: Request): Answer {
    check(request, `s3:${action}`);
    if (!this.#options.hasPolicies) throw new Refusal(501, 'NotImplemented', `${action} not implemented`);
    const bucket = this.#bucket(request.bucket);
    if (action === 'GetBucketPolicy') {
      if (bucket.policy === null) throw new Refusal(404, 'NoSuchBucketPolicy', 'The bucket policy does not exist');
      return { status: 200, headers: { 'content-type': 'application/json' }, body: bucket.policy };
    }
    const { body } = request.received;
    if (body.length > POLICY_BYTES) throw new Refusal(400, 'PolicyTooLarge', `${body.length} bytes of policy`, true);
    bucket.policy = action === 'PutBucketPolicy' ? body.toString() : null;
    return { status: 204 };
  }

  #bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist');
    return bucket;
  }

  #page({ received: { query } }: Request): number {
    const asked = Number(query.get('max-keys') ?? query.get('max-buckets') ?? PAGE);
    return Math.min(asked, this.#options.page ?? PAGE);
  }
}

interface Request {
  received: Received;
  bucket: string;
  key: string;
  principal: Principal;
}

function check({ principal, bucket, key }: Request, action: string, listing: { prefix?: string } = {}): void {
  const allowed = principal.may({ action, bucket, ...(key === '' ? {} : { key }), ...listing });
  if (!allowed) throw new Refusal(403, 'AccessDenied', `not authorized to perform ${action}`);
}

/** DeleteObjects is refused without one ("DeleteObjects", Amazon S3 API Reference: Content-MD5 or a checksum header is needed). */
function checkIntegrity({ headers, body }: Received, onlyMd5: boolean): void {
  const md5 = headers['content-md5'];
  const isKnown = md5 !== undefined || (!onlyMd5 && Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-')));
  if (!isKnown) throw new Refusal(400, 'MissingContentMD5', 'Missing required header for this request: Content-MD5', true);
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64'))
    throw new Refusal(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.', true);
}

function placeOf(path: string): { bucket: string; key: string } {
  const [, bucket = '', ...rest] = path.split('/');
  return { bucket: decodeURIComponent(bucket), key: decodeURIComponent(rest.join('/')) };
}

function actionOf({ method, query, headers }: Received, bucket: string, key: string): string {
  if (headers['x-amz-copy-source'] !== undefined) return 'unknown';
  if (bucket === '') return method === 'GET' ? 'ListBuckets' : 'unknown';
  if (key !== '') return query.has('uploads') || query.has('uploadId') ? 'unknown' : (OBJECT_ACTIONS[method] ?? 'unknown');
  if (query.has('policy')) return { GET: 'GetBucketPolicy', PUT: 'PutBucketPolicy', DELETE: 'DeleteBucketPolicy' }[method] ?? 'unknown';
  if (method === 'GET' && query.has('versions')) return 'ListObjectVersions';
  if (method === 'GET' && query.has('uploads')) return 'ListMultipartUploads';
  if (method === 'GET' && query.get('list-type') === '2') return 'ListObjectsV2';
  if (method === 'POST' && query.has('delete')) return 'DeleteObjects';
  return { PUT: 'CreateBucket', DELETE: 'DeleteBucket' }[method] ?? 'unknown';
}

const OBJECT_ACTIONS: Readonly<Record<string, string>> = {
  PUT: 'PutObject',
  GET: 'GetObject',
  HEAD: 'HeadObject',
  DELETE: 'DeleteObject',
};

function listing(
  objects: ReadonlyMap<string, Buffer>,
  keys: string[],
  { prefix, query, page }: { prefix: string; query: ReadonlyMap<string, string>; page: number },
): string {
  const delimiter = query.get('delimiter');
  const groupOf = (key: string): string => {
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    return end === -1 ? key : key.slice(0, end + 1);
  };
  const entries = pageOf([...new Set(keys.map(groupOf))], query.get('continuation-token'), page);
  const items = entries.page.map((entry) => {
    const object = objects.get(entry);
    return object === undefined
      ? `<CommonPrefixes><Prefix>${escaped(entry)}</Prefix></CommonPrefixes>`
      : `<Contents><Key>${escaped(entry)}</Key><Size>${object.length}</Size></Contents>`;
  });
  const next = entries.next === null ? '' : `<NextContinuationToken>${escaped(entries.next)}</NextContinuationToken>`;
  return `<ListBucketResult><IsTruncated>${entries.next !== null}</IsTruncated>${items.join('')}${next}</ListBucketResult>`;
}

/** The token is the last name that was shown. */
function pageOf(names: string[], after: string | undefined, size: number): { page: string[]; next: string | null } {
  const rest = after === undefined ? names : names.filter((name) => name > after);
  const page = rest.slice(0, size);
  return { page, next: rest.length > page.length ? (page.at(-1) ?? null) : null };
}

function xml(text: string): Answer {
  return { status: 200, headers: XML, body: `<?xml version="1.0" encoding="UTF-8"?>${text}` };
}

export function errorAnswer({ status, code, message }: Pick<Refusal, 'status' | 'code' | 'message'>): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`;
  return { status, headers: XML, body };
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}
