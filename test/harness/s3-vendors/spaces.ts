// A double of DigitalOcean Spaces: its S3 API, and the API that makes keys with grants.
import { randomBytes } from 'node:crypto';
import { randomBase32 } from '../../../shared/crypto';
import type { StoreUnderTest } from '../../contract/storage-harness';
import { bodyOf, hasToken, json } from './json';
import { Refusal } from './refusal';
import { errorAnswer, type Principal, S3Double } from './s3';
import { type Answer, DoubleServer, type Handler } from './server';
import type { Received } from './signature';

const READS = ['s3:GetObject', 's3:ListBucket', 's3:ListBucketMultipartUploads', 's3:ListBucketVersions'];
const ACTIONS: Readonly<Record<string, string[]>> = { read: READS, readwrite: [...READS, 's3:PutObject', 's3:DeleteObject'] };

interface Grant {
  bucket: string;
  permission: string;
}

interface Key {
  name: string;
  access_key: string;
  secret_key: string;
  grants: Grant[];
  created_at: string;
}

export interface SpacesDouble extends DoubleServer {
  s3: S3Double;
  keys: Map<string, Key>;
  store: StoreUnderTest;
  /** As many as a page holds, whatever is asked for. */
  page: { size: number };
}

export async function startSpacesDouble(): Promise<SpacesDouble> {
  const server = new DoubleServer();
  const admin = { accessKeyId: 'DO00PLATFORM', secretAccessKey: randomBytes(20).toString('hex') };
  const apiToken = `dop_v1_${randomBytes(16).toString('hex')}`;
  const keys = new Map<string, Key>();
  const page = { size: 200 };
  const identify = (accessKeyId: string): Principal => {
    if (accessKeyId === admin.accessKeyId) return { secret: admin.secretAccessKey, may: () => true };
    const key = keys.get(accessKeyId);
    if (key === undefined) throw new Refusal(403, 'InvalidAccessKeyId', 'unknown key');
    return {
      secret: key.secret_key,
      may: ({ action, bucket }) => key.grants.some((grant) => grant.bucket === bucket && ACTIONS[grant.permission]?.includes(action)),
    };
  };
  const stranger = errorAnswer({ status: 403, code: 'AccessDenied', message: '' });
  const s3 = new S3Double(server, { region: 'us-east-1', identify, stranger, hasVersions: true, hasPolicies: false, onlyMd5: true });
  const s3Url = new URL(await server.listen('s3', s3.handle));
  const api = await server.listen('digitalocean', apiHandler({ server, apiToken, keys, page }));
  const store: StoreUnderTest = {
    ...{ installationId: randomBase32(8), apiToken },
    adminUrl: `http://${admin.accessKeyId}:${admin.secretAccessKey}@${s3Url.host}`,
    options: { provider: 'spaces', api_endpoint: api },
  };
  return Object.assign(server, { s3, keys, store, page });
}

interface ApiParts {
  server: DoubleServer;
  apiToken: string;
  keys: Map<string, Key>;
  page: { size: number };
}

function apiHandler(parts: ApiParts): Handler {
  return async (received) => {
    const [, accessKey] = /^\/v2\/spaces\/keys(?:\/([^/]+))?$/.exec(received.path) ?? [];
    const route = `${received.method} ${received.path.replace(/[^/]+$/, (last) => (last === accessKey ? '{access_key}' : last))}`;
    return {
      action: route,
      run: () => {
        if (!hasToken(received, parts.apiToken)) return json(401, { id: 'Unauthorized', message: 'Unable to authenticate you' });
        return answer(parts, route, received, accessKey);
      },
    };
  };
}

function answer(parts: ApiParts, route: string, received: Received, accessKey: string | undefined): Answer {
  const { keys, server } = parts;
  const key = keys.get(accessKey ?? '');
  switch (route) {
    case 'GET /v2/spaces/keys':
      return list(parts, received);
    case 'POST /v2/spaces/keys': {
      const body = checked(server, route, received);
      if (body === null) return json(400, { id: 'bad_request', message: 'the body is not right' });
      const made = {
        ...body,
        access_key: `DO00${randomBytes(8).toString('hex').toUpperCase()}`,
        secret_key: randomBytes(20).toString('base64'),
      };
      keys.set(made.access_key, { ...made, created_at: new Date().toISOString() });
      return json(201, { key: keys.get(made.access_key) });
    }
    case 'PUT /v2/spaces/keys/{access_key}': {
      const body = checked(server, route, received);
      if (key === undefined) return json(404, { id: 'not_found', message: 'The resource you requested could not be found.' });
      if (body === null) return json(400, { id: 'bad_request', message: 'the body is not right' });
      Object.assign(key, body);
      return json(200, { key: shown(key) });
    }
    case 'DELETE /v2/spaces/keys/{access_key}':
      return keys.delete(accessKey ?? '') ? { status: 204 } : json(404, { id: 'not_found', message: 'not found' });
    default:
      server.faults.push(`digitalocean ${route}: unknown`);
      return json(404, { id: 'not_found', message: 'unknown route' });
  }
}

function list({ keys, page, server }: ApiParts, { query }: Received): Answer {
  const asked = Number(query.get('per_page'));
  if (!(asked >= 1 && asked <= 200)) server.faults.push(`digitalocean per_page ${query.get('per_page')}`);
  const size = Math.min(asked, page.size);
  const from = (Number(query.get('page')) - 1) * size;
  return json(200, { keys: [...keys.values()].slice(from, from + size).map(shown), links: { pages: {} }, meta: { total: keys.size } });
}

/** A secret is shown once. */
function shown({ secret_key: _, ...rest }: Key): Omit<Key, 'secret_key'> {
  return rest;
}

function checked(server: DoubleServer, route: string, received: Received): { name: string; grants: Grant[] } | null {
  const { name, grants, ...rest } = bodyOf(received) ?? {};
  const isRight =
    typeof name === 'string' &&
    Object.keys(rest).length === 0 &&
    Array.isArray(grants) &&
    grants.every((one) => typeof one?.bucket === 'string' && Object.hasOwn(ACTIONS, one?.permission) && Object.keys(one).length === 2);
  if (isRight) return { name, grants };
  server.faults.push(`digitalocean ${route}: ${received.body.toString()}`);
  return null;
}
