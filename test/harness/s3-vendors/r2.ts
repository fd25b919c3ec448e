// A double of Cloudflare R2: its S3 API, which lacks versions and policies, and the API that makes temporary credentials.
import { randomBytes } from 'node:crypto';
import { randomBase32 } from '../../../shared/crypto';
import type { StoreUnderTest } from '../../contract/storage-harness';
import { bodyOf, hasToken, json } from './json';
import { Refusal } from './refusal';
import { errorAnswer, type Principal, S3Double } from './s3';
import { DoubleServer, type Handler } from './server';

const ACCOUNT = '023e105f4ecef8ad9ca31a8372d0c353';
const LONGEST_SECONDS = 604_800;
const FIELDS = ['bucket', 'parentAccessKeyId', 'permission', 'ttlSeconds', 'prefixes', 'objects'];
const READS = ['s3:GetObject', 's3:ListBucket', 's3:ListBucketMultipartUploads'];
const WRITES = ['s3:PutObject', 's3:DeleteObject'];

interface Session {
  secret: string;
  token: string;
  bucket: string;
  prefixes: string[];
  actions: string[];
  endsAtMs: number;
}

export interface R2Double extends DoubleServer {
  s3: S3Double;
  store: StoreUnderTest;
  account: string;
}

export async function startR2Double(): Promise<R2Double> {
  const server = new DoubleServer();
  const parent = { accessKeyId: randomBytes(16).toString('hex'), secretAccessKey: randomBytes(32).toString('hex') };
  const apiToken = randomBytes(20).toString('hex');
  const sessions = new Map<string, Session>();
  const identify = (accessKeyId: string, sessionToken: string | null): Principal => {
    if (accessKeyId === parent.accessKeyId && sessionToken === null) return { secret: parent.secretAccessKey, may: () => true };
    const session = sessions.get(accessKeyId);
    if (session === undefined || session.token !== sessionToken) throw new Refusal(403, 'Unauthorized', 'Unauthorized');
    if (Date.now() > session.endsAtMs) throw new Refusal(403, 'ExpiredToken', 'The session has ended');
    return {
      secret: session.secret,
      may: ({ action, bucket, key, prefix }) =>
        session.actions.includes(action) &&
        bucket === session.bucket &&
        session.prefixes.some((one) => (key ?? prefix ?? '').startsWith(one)),
    };
  };
  const stranger = errorAnswer({ status: 400, code: 'InvalidArgument', message: 'Authorization' });
  const s3 = new S3Double(server, { region: 'auto', identify, stranger, hasVersions: false, hasPolicies: false, onlyMd5: true });
  const s3Url = new URL(await server.listen('s3', s3.handle));
  const api = await server.listen('cloudflare', apiHandler({ server, apiToken, parentId: parent.accessKeyId, sessions }));
  const store: StoreUnderTest = {
    ...{ installationId: randomBase32(8), apiToken },
    adminUrl: `http://${parent.accessKeyId}:${parent.secretAccessKey}@${s3Url.host}`,
    options: { provider: 'r2', account_id: ACCOUNT, api_endpoint: `${api}/client/v4`, late_cut: true },
  };
  return Object.assign(server, { s3, store, account: ACCOUNT });
}

function apiHandler(parts: { server: DoubleServer; apiToken: string; parentId: string; sessions: Map<string, Session> }): Handler {
  const refused = (status: number, code: number, message: string) =>
    json(status, { success: false, errors: [{ code, message }], messages: [], result: null });
  return async (received) => ({
    action: `${received.method} ${received.path}`,
    run: () => {
      if (!hasToken(received, parts.apiToken)) return refused(401, 10000, 'Authentication error');
      const fault = (message: string) => {
        parts.server.faults.push(`cloudflare ${received.method} ${received.path}: ${message}`);
        return refused(400, 10001, message);
      };
      if (received.method !== 'POST') return fault('unknown route');
      if (received.path !== `/client/v4/accounts/${ACCOUNT}/r2/temp-access-credentials`) return refused(404, 7003, 'Could not route');
      const body = bodyOf(received);
      if (body === null || Object.keys(body).some((name) => !FIELDS.includes(name))) return fault('unknown fields');
      const { bucket, parentAccessKeyId, permission, ttlSeconds, prefixes = [''] } = body;
      const isWrite = permission === 'object-read-write';
      if (typeof bucket !== 'string' || parentAccessKeyId !== parts.parentId) return fault('bucket or parent');
      if (!isWrite && permission !== 'object-read-only') return fault('permission');
      if (typeof ttlSeconds !== 'number' || !(ttlSeconds > 0 && ttlSeconds <= LONGEST_SECONDS)) return fault('ttlSeconds');
      if (!Array.isArray(prefixes) || !prefixes.every((one) => typeof one === 'string')) return fault('prefixes');
      const id = randomBytes(16).toString('hex');
      const session = { secret: randomBytes(32).toString('hex'), token: randomBytes(60).toString('base64') };
      const actions = isWrite ? [...READS, ...WRITES] : READS;
      parts.sessions.set(id, { ...session, bucket, prefixes, actions, endsAtMs: Date.now() + ttlSeconds * 1000 });
      const result = { accessKeyId: id, secretAccessKey: session.secret, sessionToken: session.token };
      return json(200, { success: true, errors: [], messages: [], result });
    },
  });
}
