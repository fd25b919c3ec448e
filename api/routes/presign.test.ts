import { beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { API_KEY, aRow, expectDeclared, FakeStore, fakeApp, PLATFORM_STORAGE_KEY, TEAM_ID, TOKEN } from '../testing/fakes';

const OBJECT = `lhabcdefgh_${'a'.repeat(24)}`;
const KEY = { access_key_id: 'AKIATEST', secret_access_key: 'not to be shown' };
const PATH = `/storage/${TOKEN}/presign`;
const row = (fields: Parameters<typeof aRow>[0] = {}) => aRow({ kind: 'storage', backend_name: 'storage', object_name: OBJECT, ...fields });

let store: FakeStore;
beforeEach(() => {
  store = new FakeStore();
  store.rows = [row()];
  store.issued = KEY;
  store.details = { mode: 'prefix-scoped', bucket: 'lhabcdefgh-tenants', prefix: `${OBJECT}/`, region: 'us-east-1' };
});

const app = () => fakeApp({ store, onAnswer: expectDeclared }).app;
const presign = (body: object, path = PATH, headers: Record<string, string> = {}) => request(app()).post(path).set(headers).send(body);

describe('POST /storage/:token/presign', () => {
  it.each(['GET', 'PUT', 'HEAD'] as const)('signs %s for one key below the prefix', async (operation) => {
    const { status, body } = await presign({ operation, key: 'a b/ü.txt', expires_in: 60 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ ok: true, method: operation, key: 'a b/ü.txt', object_key: `${OBJECT}/a b/ü.txt` });
    const url = new URL(body.url);
    expect(url.origin).toBe('http://s3.test:8333');
    expect(decodeURIComponent(url.pathname)).toBe(`/lhabcdefgh-tenants/${OBJECT}/a b/ü.txt`);
    expect(url.searchParams.get('X-Amz-Expires')).toBe('60');
    expect(url.searchParams.get('X-Amz-Credential')).toContain('AKIATEST/');
    expect(body.url).not.toContain(KEY.secret_access_key);
    expect(Date.parse(body.expires_at) - Date.now()).toBeGreaterThan(55_000);
    expect(Date.parse(body.expires_at) - Date.now()).toBeLessThanOrEqual(60_000);
  });

  it('takes ten minutes when nothing is said', async () => {
    const { body } = await presign({ operation: 'GET', key: 'a' });
    expect(new URL(body.url).searchParams.get('X-Amz-Expires')).toBe('600');
  });

  it('is on the record, without the key of the object', async () => {
    store.audited = [];
    expect((await presign({ operation: 'PUT', key: 'patients/lovelace.txt' })).status).toBe(200);
    expect(store.audited).toMatchObject([{ action: 'storage.presign', result: 'success', data: { operation: 'PUT' } }]);
    expect(JSON.stringify(store.audited)).not.toMatch(/patients|lovelace/);
  });

  it('never outlives temporary credentials', async () => {
    store.issued = { ...KEY, session_token: 'session', credentials_expire_at: new Date(Date.now() + 90_000).toISOString() };
    const { body } = await presign({ operation: 'GET', key: 'a', expires_in: 3_600 });
    const url = new URL(body.url);
    expect(Number(url.searchParams.get('X-Amz-Expires'))).toBeLessThanOrEqual(91);
    expect(url.searchParams.get('X-Amz-Security-Token')).toBe('session');
    store.issued = { ...store.issued, credentials_expire_at: new Date(Date.now() - 1_000).toISOString() };
    expect((await presign({ operation: 'GET', key: 'a' })).body).toMatchObject({ error: 'resource_not_ready' });
  });

  it('signs for five minutes at most where nothing at the store ends a url', async () => {
    store.details = { ...store.details, mode: 'broker', signed_url_seconds: 300 };
    const { body } = await presign({ operation: 'GET', key: 'a', expires_in: 3_600 });
    expect(new URL(body.url).searchParams.get('X-Amz-Expires')).toBe('300');
    expect(Date.parse(body.expires_at) - Date.now()).toBeLessThanOrEqual(300_000);
  });

  it("signs with the platform's key of today where the store has none for the resource", async () => {
    store.details = { ...store.details, mode: 'broker', signed_url_seconds: 300 };
    // A copy that was kept when the resource was made may be of a key that is ended.
    for (const issued of [null, KEY]) {
      store.issued = issued;
      const { status, body } = await presign({ operation: 'GET', key: 'a' });
      expect(status).toBe(200);
      expect(new URL(body.url).searchParams.get('X-Amz-Credential')).toContain(`${PLATFORM_STORAGE_KEY.accessKeyId}/`);
    }
    const shown = await request(app()).get(`/api/v1/resources/${TOKEN}/credentials`);
    expect(shown.status).toBe(200);
    expect(JSON.stringify(shown.body)).not.toMatch(new RegExp(Object.values(PLATFORM_STORAGE_KEY).join('|')));
    store.rows = [row({ backend_name: 'postgres-tenants' })];
    expect((await presign({ operation: 'GET', key: 'a' })).body).toMatchObject({ error: 'temporarily_unavailable' });
  });

  it('never signs with the key of the platform for a resource that has one of its own', async () => {
    store.issued = null;
    for (const [mode, seconds] of [
      ['broker', null],
      ['dedicated-bucket', 300],
    ] as const) {
      store.details = { ...store.details, mode, signed_url_seconds: seconds };
      expect((await presign({ operation: 'GET', key: 'a' })).body).toMatchObject({ error: 'internal_error' });
    }
  });

  it.each(['', '..', 'a/../b', '%2e%2e/b', 'a\u0000', 'a\\b', '/a', 'a//b', '．．/b', 'k'.repeat(1_000)])(
    'refuses the key %j',
    async (key) => {
      const { status, body } = await presign({ operation: 'PUT', key });
      expect(status).toBe(400);
      expect(body).toMatchObject({ error: 'path_unsafe', details: { field: 'key' } });
    },
  );

  it.each([
    [{}, 'operation'],
    [{ operation: 'DELETE', key: 'a' }, 'operation'],
    [{ operation: 'get', key: 'a' }, 'operation'],
    [{ operation: 'GET' }, 'key'],
    [{ operation: 'GET', key: 5 }, 'key'],
    [{ operation: 'GET', key: 'a', expires_in: 0 }, 'expires_in'],
    [{ operation: 'GET', key: 'a', expires_in: 3_601 }, 'expires_in'],
    [{ operation: 'GET', key: 'a', expires_in: 1.5 }, 'expires_in'],
    [{ operation: 'GET', key: 'a', expires_in: '60' }, 'expires_in'],
    [{ operation: 'GET', key: 'a', bucket: 'other' }, 'bucket'],
    [[], 'object'],
  ])('refuses the body %j', async (body, names) => {
    const answer = await presign(body);
    expect(answer.body).toMatchObject({ error: 'invalid_request', message: expect.stringContaining(names) });
  });

  it.each([
    ['pending', 'resource_not_ready'],
    ['paused', 'resource_not_ready'],
    ['suspended', 'resource_suspended'],
    ['expired', 'resource_inactive'],
    ['deleting', 'resource_inactive'],
    ['deleted', 'resource_inactive'],
    ['failed', 'provision_failed'],
  ] as const)('signs nothing while it is %s', async (status, error) => {
    store.rows = [row({ status })];
    expect((await presign({ operation: 'GET', key: 'a' })).body).toMatchObject({ error });
  });

  it('signs no upload over the limit, and downloads still', async () => {
    store.rows = [row({ read_only_by_quota: true })];
    expect((await presign({ operation: 'PUT', key: 'a' })).body).toMatchObject({ error: 'storage_limit_reached' });
    expect((await presign({ operation: 'GET', key: 'a' })).status).toBe(200);
  });

  it('is for storage, and for its owner', async () => {
    store.rows = [row({ kind: 'postgres' })];
    expect((await presign({ operation: 'GET', key: 'a' })).body).toMatchObject({ error: 'not_found' });
    // Claimed: the token is a name now, and no credential.
    store.rows = [row({ team_id: TEAM_ID })];
    expect((await presign({ operation: 'GET', key: 'a' })).body.error).toMatch(/^(not_found|unauthorized)$/);
    expect((await presign({ operation: 'GET', key: 'a' }, PATH, { authorization: `Bearer ${API_KEY}` })).status).toBe(200);
    store.rows = [row({ team_id: 'another' })];
    expect((await presign({ operation: 'GET', key: 'a' }, PATH, { authorization: `Bearer ${API_KEY}` })).body).toMatchObject({
      error: 'not_found',
    });
    expect((await presign({ operation: 'GET', key: 'a' }, '/storage/99999999-2222-4333-8444-555555555555/presign')).status).toBe(401);
  });

  it('has a window of its own for each resource', async () => {
    const limited = fakeApp({ store, requestsPerMinute: 3, settings: { loopbackExempt: true } }).app;
    const statuses: number[] = [];
    for (let call = 0; call < 4; call += 1) statuses.push((await request(limited).post(PATH).send({ operation: 'GET', key: 'a' })).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  it('shows no key in mode broker', async () => {
    store.details = { ...store.details, mode: 'broker' };
    const { body } = await request(app()).get(`/api/v1/resources/${TOKEN}/credentials`);
    expect(body).toMatchObject({ mode: 'broker', presign_url: `http://leasehold.test${PATH}`, agent_action: 'use_presign_endpoint' });
    expect(JSON.stringify(body)).not.toContain(KEY.secret_access_key);
    expect(body.access_key_id).toBeUndefined();
  });

  it('shows the key in the other modes, and where it is good', async () => {
    const { body } = await request(app()).get(`/api/v1/resources/${TOKEN}/credentials`);
    expect(body).toMatchObject({
      ...KEY,
      endpoint: 'http://s3.test:8333',
      region: 'us-east-1',
      bucket: 'lhabcdefgh-tenants',
      prefix: `${OBJECT}/`,
      mode: 'prefix-scoped',
      connection_url: `http://s3.test:8333/lhabcdefgh-tenants/${OBJECT}/`,
    });
  });
});
