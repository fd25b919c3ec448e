// An installation that changes its object store: what was made before stays on the old one and goes on being managed, what is made from then on
// is on the new one, and a store that is taken out too early loses nothing. SeaweedFS first, then a double of DigitalOcean Spaces.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { stringify } from 'yaml';
import { clientOptions } from '../../../shared/storageprovider';
import type { Body } from '../../harness/http';
import { type SpacesDouble, startSpacesDouble } from '../../harness/s3-vendors/spaces';
import { canHaveSeaweedfs } from '../../harness/seaweedfs';
import { Stack, until } from '../../harness/stack';

jest.setTimeout(300_000);

/** What failed for a while is tried again after longer and longer pauses. */
const PATIENCE = { timeoutMs: 180_000 };
const common = { kind: 'storage', region: 'local', capacity: 50, weight: 1 };
const seaweedfs = { ...common, name: 'seaweedfs', admin_url_env: 'LEASEHOLD_STORAGE_ADMIN_URL' };

if (canHaveSeaweedfs()) describe('changing the store', changing);
else test.skip('skipped: no server', () => {});

function changing(): void {
  const stack = new Stack({ LEASEHOLD_KINDS: 'storage' });
  let spaces: SpacesDouble;
  let before: Body;
  let after: Body;

  beforeAll(async () => {
    spaces = await startSpacesDouble();
    stack.settings.SPACES_ADMIN_URL = spaces.store.adminUrl;
    stack.settings.SPACES_API_TOKEN = spaces.store.apiToken ?? '';
    stack.settings.LEASEHOLD_BACKENDS = join(stack.home, 'backends.yaml');
    await startWith(seaweedfs);
  });
  afterAll(async () => {
    await stack.dispose();
    await spaces.close();
    expect(spaces.faults).toEqual([]);
  });

  const onSpaces = () => ({
    ...{ ...common, name: 'spaces', admin_url_env: 'SPACES_ADMIN_URL' },
    options: { ...spaces.store.options, api_token_env: 'SPACES_API_TOKEN' },
  });

  async function startWith(...backends: object[]): Promise<void> {
    if (stack.port !== 0) await stack.cli('stop');
    writeFileSync(join(stack.home, 'backends.yaml'), stringify({ hosts: [], backends }));
    await stack.start();
  }

  const own = (resource: Body, route: string, body?: object) =>
    stack.call(route.replace(':id', resource.id ?? ''), { headers: { 'x-resource-token': resource.token ?? '' }, body });
  const readiness = async () => {
    const { body } = await stack.call('GET /readyz');
    const check = body.checks.find(({ name }) => name === 'backends') as unknown as {
      status: string;
      last_error: string | null;
      detail?: object;
    };
    return { overall: body.overall, ...check };
  };
  async function create(name: string): Promise<Body> {
    const answer = await until('a resource is made', async () => {
      const made = await stack.call('POST /storage/new', { body: { name } });
      return made.status === 201 ? made : null;
    });
    return answer.body;
  }
  async function backendOf({ id }: Body): Promise<string | undefined> {
    const rows = await stack.platform<{ backend_name: string }>('SELECT backend_name FROM resources WHERE id = $1', [id]);
    return rows[0]?.backend_name;
  }
  async function withKey<T>(resource: Body, run: (client: S3Client, object: { Bucket: string; Key: string }) => Promise<T>): Promise<T> {
    const { endpoint, region, bucket, prefix, access_key_id, secret_access_key } = resource as unknown as Record<string, string>;
    const key = { accessKeyId: access_key_id ?? '', secretAccessKey: secret_access_key ?? '' };
    const client = new S3Client({ ...clientOptions({ endpoint: endpoint ?? '', region: region ?? '', key }), forcePathStyle: true });
    try {
      return await run(client, { Bucket: bucket ?? '', Key: `${prefix}kept` });
    } finally {
      client.destroy();
    }
  }
  const write = (resource: Body) => withKey(resource, (client, object) => client.send(new PutObjectCommand({ ...object, Body: 'kept' })));
  const read = (resource: Body) =>
    withKey(resource, async (client, object) => (await client.send(new GetObjectCommand(object))).Body?.transformToString());
  async function signed(resource: Body): Promise<string> {
    const { status, body } = await own(resource, `POST /storage/${resource.token}/presign`, { operation: 'GET', key: 'kept' });
    expect(status).toBe(200);
    return await (await fetch((body as unknown as { url: string }).url)).text();
  }

  test('drained, the old store keeps what it has and takes nothing new', async () => {
    before = await create('before');
    await write(before);
    await startWith({ ...seaweedfs, drained: true }, onSpaces());
    after = await create('after');
    await write(after);
    expect([await backendOf(before), await backendOf(after)]).toEqual(['seaweedfs', 'spaces']);
    expect([await read(before), await read(after)]).toEqual(['kept', 'kept']);
    expect([await signed(before), await signed(after)]).toEqual(['kept', 'kept']);
  });

  test('/readyz and the operators are told which store was never tried against its vendor', async () => {
    const unproven = { spaces: 'spaces: its requests were tested against a double only, never against the vendor' };
    const { detail } = await until('readiness is told anew', async () => {
      const now = await readiness();
      return now.overall === 'ok' && now.detail && 'unproven' in now.detail ? now : null;
    });
    expect(detail).toMatchObject({ unproven });
    const headers = { authorization: `Bearer ${stack.secrets.operatorKey}` };
    const { backends } = (await stack.call('GET /api/v1/admin/backends', { headers })).body as unknown as {
      backends: { name: string; unproven: string | null }[];
    };
    expect(backends.map(({ name, unproven: said }) => [name, said])).toEqual([
      ['seaweedfs', null],
      ['spaces', unproven.spaces],
    ]);
  });

  test('each is cut, restored and rotated on its own store', async () => {
    for (const resource of [before, after]) {
      expect((await own(resource, 'POST /api/v1/resources/:id/pause')).status).toBe(200);
      await expect(read(resource)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
      expect((await own(resource, 'POST /api/v1/resources/:id/resume')).status).toBe(200);
      expect(await read(resource)).toBe('kept');
      const { status, body } = await own(resource, 'POST /api/v1/resources/:id/rotate-credentials');
      expect(status).toBe(200);
      expect(await read({ ...resource, ...body })).toBe('kept');
    }
  });

  test('taken out with a resource on it, it is missed aloud; the rest goes on, a delete waits, and nothing is lost', async () => {
    await startWith(onSpaces());
    const missed = await until('it is missed', async () => {
      const now = await readiness();
      // At first it is degraded because nobody has looked yet.
      return now.overall === 'degraded' && now.last_error?.startsWith('seaweedfs') ? now : null;
    });
    expect(missed.last_error).toBe(
      'seaweedfs: 1 resources live on it, and it is not in backends.yaml any more, or its variable is not set',
    );
    expect(await read(after)).toBe('kept');
    // Its data plane does not need us.
    expect(await read(before)).toBe('kept');
    const refused = await own(before, 'GET /api/v1/resources/:id/credentials');
    expect([refused.status, refused.body.error]).toEqual([503, 'temporarily_unavailable']);
    expect((await own(before, 'DELETE /api/v1/resources/:id')).status).toBe(200);
    const waiting = await until('the delete is tried', async () => {
      const { body } = await own(before, 'GET /api/v1/resources/:id');
      const { lifecycle } = body as unknown as { lifecycle: { pending: { last_failure?: string }[] } | null };
      return lifecycle?.pending.find((step) => JSON.stringify(step).includes('seaweedfs is not in backends.yaml')) ?? null;
    });
    expect(waiting).toBeDefined();
    expect(await stack.platform('SELECT status FROM resources WHERE id = $1', [before.id])).toEqual([{ status: 'deleting' }]);
  });

  test('put back, it gives up what was deleted meanwhile; then it can go', async () => {
    await startWith({ ...seaweedfs, drained: true }, onSpaces());
    await until(
      'the delete is done',
      async () => {
        const rows = await stack.platform<{ status: string }>('SELECT status FROM resources WHERE id = $1', [before.id]);
        return rows[0]?.status === 'deleted';
      },
      PATIENCE,
    );
    await expect(read(before)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    await startWith(onSpaces());
    const told = await until('readiness is told anew', async () => {
      const now = await readiness();
      return now.overall === 'ok' ? now : null;
    });
    expect(told.status).toBe('ok');
    expect((await own(after, 'DELETE /api/v1/resources/:id')).status).toBe(200);
    await until('nothing is left', async () => spaces.keys.size === 0 && spaces.s3.buckets.size === 0, PATIENCE);
  });

  test('a token that is named later leaves what the platform signs as it is, and its key is in no row', async () => {
    const { api_token_env: _, ...options } = onSpaces().options;
    await startWith({ ...onSpaces(), options });
    const resource = await create('signed');
    expect(resource).toMatchObject({ mode: 'broker', agent_action: 'use_presign_endpoint' });
    const { body } = await own(resource, `POST /storage/${resource.token}/presign`, { operation: 'PUT', key: 'kept' });
    const put = await fetch((body as unknown as { url: string }).url, { method: 'PUT', body: 'kept' });
    expect([put.status, await signed(resource)]).toEqual([200, 'kept']);
    await startWith(onSpaces());
    for (const verb of ['pause', 'resume', 'rotate-credentials'])
      expect((await own(resource, `POST /api/v1/resources/:id/${verb}`)).status).toBe(200);
    expect(await signed(resource)).toBe('kept');
    const versions = await stack.platform(
      'SELECT version, issued_encrypted FROM resource_credentials WHERE resource_id = $1 ORDER BY version',
      [resource.id],
    );
    expect(versions).toEqual([1, 2].map((version) => ({ version, issued_encrypted: null })));
    expect(spaces.keys.size).toBe(0);
    expect((await own(resource, 'DELETE /api/v1/resources/:id')).status).toBe(200);
    await until('its objects are gone', async () => [...spaces.s3.buckets.values()].every(({ objects }) => objects.size === 0), PATIENCE);
  });
}
