// What is sent to AWS, Cloudflare and DigitalOcean, request by request, and what happens when their answers are late, lost or refusals.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parseStoreConfig, presignObject, type StorageMode } from '../../../shared/storageprovider';
import { awsPlaces } from '../../../shared/storageprovider/aws';
import { createStorageProvider } from '../../../shared/storageprovider/factory';
import { type StorageHarness, type StoreUnderTest, startStorageHarness } from '../../contract/storage-harness';
import { type AwsDouble, startAwsDouble } from '../../harness/s3-vendors/aws';
import { json } from '../../harness/s3-vendors/json';
import { type R2Double, startR2Double } from '../../harness/s3-vendors/r2';
import { errorAnswer } from '../../harness/s3-vendors/s3';
import type { DoubleServer, Noted } from '../../harness/s3-vendors/server';
import { type SpacesDouble, startSpacesDouble } from '../../harness/s3-vendors/spaces';

const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
});

async function opened(store: StoreUnderTest, mode: StorageMode): Promise<StorageHarness> {
  const harness = startStorageHarness(store, mode);
  closing.unshift(() => harness.close());
  await harness.backend.prepareServer('test');
  return harness;
}

async function provisioned(harness: StorageHarness) {
  const request = harness.newRequest();
  await harness.backend.provision(request);
  return request;
}

/** The parameters of a query-protocol request, or its JSON. */
function said({ headers, body }: Noted): Record<string, unknown> {
  if (headers['content-type'] === 'application/json') return JSON.parse(body.toString()) as Record<string, unknown>;
  return Object.fromEntries(new URLSearchParams(body.toString()));
}

const of = (double: DoubleServer, action: string) => double.noted.filter((one) => one.action === action);
const times = (action: string, status: number, code: string) => ({
  action,
  times: 2,
  instead: errorAnswer({ status, code, message: code }),
});

async function statusOf(harness: StorageHarness, request: Awaited<ReturnType<typeof provisioned>>): Promise<number> {
  const { endpoint, region } = harness.config;
  const { bucket, prefix } = harness.detailsOf(request);
  const url = await presignObject({
    ...{ endpoint, region, bucket, operation: 'PUT', objectKey: `${prefix}a`, key: harness.keyOf(request) },
    ...{ expiresInSeconds: 60, signedAt: new Date() },
  });
  const answer = await fetch(url, { method: 'PUT', body: 'x' });
  await answer.arrayBuffer();
  return answer.status;
}

describe('AWS', () => {
  let aws: AwsDouble;
  let harness: StorageHarness;
  beforeAll(async () => {
    aws = await startAwsDouble();
    closing.push(() => aws.close());
    harness = await opened(aws.store, 'prefix-scoped');
  });
  beforeEach(() => {
    aws.noted.length = 0;
  });

  test('a user, its policy and its key, in this order, under the path of the installation', async () => {
    const { objectName } = await provisioned(harness);
    const iam = aws.noted.filter(({ service }) => service === 'iam');
    expect(iam.map(({ action }) => action)).toEqual(['CreateUser', 'PutUserPolicy', 'ListAccessKeys', 'CreateAccessKey']);
    expect(iam.map(said)).toEqual([
      { Action: 'CreateUser', Version: '2010-05-08', UserName: `${objectName}_1`, Path: `/leasehold/${aws.store.installationId}/` },
      expect.objectContaining({ UserName: `${objectName}_1`, PolicyName: 'access' }),
      expect.objectContaining({ UserName: `${objectName}_1` }),
      expect.objectContaining({ UserName: `${objectName}_1` }),
    ]);
    for (const one of iam) expect(one.headers.authorization).toContain('/us-east-1/iam/aws4_request');
    expect(JSON.parse(String(said(iam[1] as Noted).PolicyDocument))).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Sid: 'leasehold', Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::leasehold-nothing/-'] },
        {
          ...{ Sid: 'bucket', Effect: 'Allow', Action: ['s3:ListBucket'] },
          Resource: [`arn:aws:s3:::lh${aws.store.installationId}-tenants`],
          Condition: { StringLike: { 's3:prefix': [`${objectName}/`, `${objectName}/*`] } },
        },
        {
          ...{ Sid: 'objects', Effect: 'Allow' },
          Action: [
            ...['s3:GetObject', 's3:GetObjectTagging', 's3:ListMultipartUploadParts'],
            ...['s3:DeleteObject', 's3:DeleteObjectTagging', 's3:AbortMultipartUpload', 's3:PutObject', 's3:PutObjectTagging'],
          ],
          Resource: [`arn:aws:s3:::lh${aws.store.installationId}-tenants/${objectName}/*`],
        },
      ],
    });
  });

  test('a session is asked of the regional STS by the user itself, whose key is gone then', async () => {
    const temporary = await opened(aws.store, 'prefix-scoped-temporary');
    const { objectName } = await provisioned(temporary);
    const [asked] = of(aws, 'GetFederationToken');
    expect(said(asked as Noted)).toMatchObject({ Version: '2011-06-15', Name: `${objectName}_1`.slice(-32), DurationSeconds: '129600' });
    expect(asked?.headers.authorization).toContain('/eu-central-1/sts/aws4_request');
    expect(aws.iam.users.get(`${objectName}_1`)?.keys).toEqual({});
  });

  test('a region of its own is named when a bucket is made, and us-east-1 is not', async () => {
    const own = await opened(aws.store, 'dedicated-bucket');
    await provisioned(own);
    expect(of(aws, 'CreateBucket')[0]?.body.toString()).toContain('<LocationConstraint>eu-central-1</LocationConstraint>');
    const east = await startAwsDouble('us-east-1');
    closing.push(() => east.close());
    await provisioned(await opened(east.store, 'dedicated-bucket'));
    expect(of(east, 'CreateBucket')[0]?.body.toString()).toBe('');
    expect(east.faults).toEqual([]);
  });

  test('a key is answered once S3 knows it; a cut is there when IAM has spread it', async () => {
    aws.iam.lagMs = 700;
    try {
      const request = await provisioned(harness);
      expect(await statusOf(harness, request)).toBe(200);
      aws.iam.lagMs = 600_000;
      await harness.backend.cut(request);
      // What AWS does, and nobody can make faster: see docs/kinds/storage.md.
      expect(await statusOf(harness, request)).toBe(200);
      aws.iam.spread();
      expect(await statusOf(harness, request)).toBe(403);
    } finally {
      aws.iam.lagMs = 0;
    }
  });

  describe('a list of users that comes late', () => {
    beforeEach(() => {
      aws.iam.listLagMs = 600_000;
    });
    afterEach(() => {
      aws.iam.listLagMs = 0;
      aws.iam.spread();
    });

    test('hides nobody from a cut at once', async () => {
      const request = await provisioned(harness);
      await harness.backend.cut(request);
      expect(await statusOf(harness, request)).toBe(403);
      await harness.backend.setReadOnly({ ...request, readOnly: true });
      await harness.backend.restore(request);
      expect(await statusOf(harness, request)).toBe(403);
      await harness.backend.setReadOnly({ ...request, readOnly: false });
      expect(await statusOf(harness, request)).toBe(200);
    });

    test('hides neither version from a cut after a rotation', async () => {
      const old = await provisioned(harness);
      const request = { ...old, credentialVersion: 2, retiringVersion: 1 };
      await harness.backend.rotate({ ...old, credentialVersion: 2, previousVersion: 1 });
      expect([await statusOf(harness, old), await statusOf(harness, request)]).toEqual([200, 200]);
      await harness.backend.cut(request);
      expect([await statusOf(harness, old), await statusOf(harness, request)]).toEqual([403, 403]);
    });

    test('hides nobody from a delete at once, which ends though the list shows them still', async () => {
      const old = await provisioned(harness);
      await harness.backend.rotate({ ...old, credentialVersion: 2, previousVersion: 1 });
      const usersOf = ({ objectName }: typeof old) => [...aws.iam.users.keys()].filter((name) => name.startsWith(objectName));
      expect(usersOf(old)).toHaveLength(2);
      await harness.backend.deprovision({ ...old, credentialVersion: 2, retiringVersion: 1 });
      expect(usersOf(old)).toEqual([]);
      const listed = await provisioned(harness);
      aws.iam.spread();
      await harness.backend.deprovision(listed);
      expect(usersOf(listed)).toEqual([]);
      expect(await harness.backend.list('test')).toContain(listed.objectName);
    });
  });

  test('forty tenants of the shared key can be read-only and cut at once, within the 20 KB of a policy', async () => {
    const shared = await opened(aws.store, 'shared-master-key');
    const requests = [];
    for (let count = 0; count < 40; count += 1) requests.push(await provisioned(shared));
    for (const request of requests) {
      await shared.backend.setReadOnly({ ...request, readOnly: true });
      await shared.backend.cut(request);
    }
    const statuses = new Set<number>();
    for (const request of requests) statuses.add(await statusOf(shared, request));
    expect([...statuses]).toEqual([403]);
    for (const request of requests) await shared.backend.deprovision(request);
    expect(aws.s3.buckets.get(`lh${aws.store.installationId}-tenants`)?.policy).toBeNull();
  });

  test.each(['CreateUser', 'PutUserPolicy', 'CreateAccessKey'])('%s that is throttled is repeated', async (action) => {
    aws.mishaps.push({ action, times: 2, instead: throttled() });
    const request = await provisioned(harness);
    expect(of(aws, action).map(({ status }) => status)).toEqual([400, 400, 200]);
    expect(await statusOf(harness, request)).toBe(200);
  });

  test.each(['CreateUser', 'PutUserPolicy', 'CreateAccessKey'])(
    '%s that was done and not answered leaves one working key',
    async (action) => {
      aws.mishaps.push({ action, times: 1, lost: true });
      const request = harness.newRequest();
      await harness.backend.provision(request).catch(() => harness.backend.provision(request));
      expect(await statusOf(harness, request)).toBe(200);
      expect(Object.keys(aws.iam.users.get(`${request.objectName}_1`)?.keys ?? {})).toEqual([harness.keyOf(request).accessKeyId]);
    },
  );

  test("what the platform's own key may not or is not any more is said once, and not repeated", async () => {
    for (const [status, code] of [
      [403, 'AccessDenied'],
      [400, 'ExpiredToken'],
      [403, 'InvalidAccessKeyId'],
      [301, 'PermanentRedirect'],
    ] as const) {
      aws.mishaps.push(times('ListBuckets', status, code));
      await expect(harness.backend.list('test')).rejects.toMatchObject({
        name: 'ProviderMisconfigured',
        message: expect.stringContaining(code),
      });
      aws.mishaps.length = 0;
    }
    aws.mishaps.push({ ...times('ListBuckets', 503, 'SlowDown'), times: 9 });
    await expect(harness.backend.list('test')).rejects.toMatchObject({ name: 'ProviderUnavailable' });
    aws.mishaps.length = 0;
  });

  test('a region that is not the one of the endpoint is said', async () => {
    const wrong = startStorageHarness({ ...aws.store, options: { ...aws.store.options, region: 'eu-west-1' } }, 'prefix-scoped');
    await expect(wrong.backend.prepareServer('test')).rejects.toMatchObject({
      name: 'ProviderMisconfigured',
      message: expect.stringContaining("expecting 'eu-central-1'"),
    });
    await wrong.close();
  });

  test.each([
    ['eu-west-1', 'aws', 'https://iam.amazonaws.com', 'us-east-1', 'https://sts.eu-west-1.amazonaws.com'],
    ['cn-northwest-1', 'aws-cn', 'https://iam.cn-north-1.amazonaws.com.cn', 'cn-north-1', 'https://sts.cn-northwest-1.amazonaws.com.cn'],
    ['us-gov-east-1', 'aws-us-gov', 'https://iam.us-gov.amazonaws.com', 'us-gov-west-1', 'https://sts.us-gov-east-1.amazonaws.com'],
  ])('%s is of %s', (region, partition, iamEndpoint, iamRegion, stsEndpoint) => {
    expect(awsPlaces(region)).toEqual({ partition, iamEndpoint, iamRegion, stsEndpoint });
  });

  test.each([
    ['https://a:b@s3.eu-west-1.amazonaws.com', 'eu-west-1'],
    ['https://a:b@s3.dualstack.ap-southeast-2.amazonaws.com', 'ap-southeast-2'],
    ['https://a:b@s3.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
    ['https://a:b@s3.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
    ['https://a:b@s3.amazonaws.com', 'us-east-1'],
  ])('%s is in %s', (url, region) => {
    expect(parseStoreConfig(url, { provider: 'aws' }).region).toBe(region);
  });

  test("buckets of their own are for who asks for them: their names are the whole world's", () => {
    const capable = (options: object) =>
      createStorageProvider({
        config: parseStoreConfig(aws.store.adminUrl, { provider: 'aws', ...options }),
        installationId: aws.store.installationId,
        sharedBucketLock: (run) => run(new AbortController().signal),
      }).capabilities.bucketPerTenant;
    expect([capable({}), capable({ own_buckets: true })]).toEqual([false, true]);
  });

  test('nothing was sent that AWS would not understand', () => expect(aws.faults).toEqual([]));
});

function throttled() {
  const body = '<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>';
  return { status: 400, headers: { 'content-type': 'text/xml' }, body };
}

describe('Cloudflare R2', () => {
  let r2: R2Double;
  let harness: StorageHarness;
  beforeAll(async () => {
    r2 = await startR2Double();
    closing.push(() => r2.close());
    harness = await opened(r2.store, 'prefix-scoped-temporary');
  });
  beforeEach(() => {
    r2.noted.length = 0;
  });
  const path = () => `POST /client/v4/accounts/${r2.account}/r2/temp-access-credentials`;

  test('a session for one prefix of the shared bucket, for an hour', async () => {
    const request = await provisioned(harness);
    const [asked] = of(r2, path());
    expect(said(asked as Noted)).toEqual({
      bucket: `lh${r2.store.installationId}-tenants`,
      parentAccessKeyId: harness.config.admin.accessKeyId,
      permission: 'object-read-write',
      ttlSeconds: 3600,
      prefixes: [`${request.objectName}/`],
    });
    expect(asked?.headers).toMatchObject({ authorization: `Bearer ${r2.store.apiToken}`, 'content-type': 'application/json' });
    const { expiresAt = '' } = harness.keyOf(request);
    expect(Math.abs(Date.parse(expiresAt) - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  test('a session that is issued while access is cut reaches nothing, one while it is read-only writes nothing', async () => {
    const request = await provisioned(harness);
    await harness.backend.setReadOnly({ ...request, readOnly: true });
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await harness.backend.cut(request);
    await harness.backend.rotate({ ...request, credentialVersion: 3, previousVersion: 2 });
    expect(of(r2, path()).map(said)).toMatchObject([
      { permission: 'object-read-write', prefixes: [`${request.objectName}/`] },
      { permission: 'object-read-only', prefixes: [`${request.objectName}/`] },
      { permission: 'object-read-only', prefixes: ['.leasehold/nothing/'] },
    ]);
    expect(await harness.backend.list('test')).toContain(request.objectName);
    await harness.backend.deprovision(request);
    expect(await harness.backend.list('test')).not.toContain(request.objectName);
  });

  test('without a word from the operator the platform signs, and nobody gets a session that no cut can end', async () => {
    const { late_cut: _, ...options } = r2.store.options ?? {};
    const wish = startStorageHarness({ ...r2.store, options }, 'prefix-scoped-temporary');
    await expect(wish.backend.prepareServer('test')).rejects.toMatchObject({
      name: 'ProviderMisconfigured',
      message: expect.stringContaining('late_cut: true'),
    });
    await wish.close();
  });

  test.each([
    [
      'a token that is refused',
      403,
      { errors: [{ code: 10000, message: 'Authentication error' }] },
      'ProviderMisconfigured',
      '10000 Authentication error',
    ],
    ['a server that is down', 503, {}, 'ProviderUnavailable', '503'],
    [
      'an answer of another shape',
      200,
      { success: true, result: { accessKeyId: 'only' } },
      'ProviderUnavailable',
      'a shape that is not known',
    ],
  ])('%s', async (_what, status, body, name, words) => {
    r2.mishaps.push({ action: path(), times: 9, instead: json(status, body, { 'retry-after': '0' }) });
    await expect(provisioned(harness)).rejects.toMatchObject({ name, message: expect.stringContaining(words) });
    r2.mishaps.length = 0;
  });

  test('a rate limit is waited for as long as it says', async () => {
    r2.mishaps.push({ action: path(), times: 1, instead: json(429, {}, { 'retry-after': '1' }) });
    await provisioned(harness);
    expect(of(r2, path()).map(({ status }) => status)).toEqual([429, 200]);
  });

  test('nothing was sent that R2 would not understand', () => expect(r2.faults).toEqual([]));
});

describe('DigitalOcean Spaces', () => {
  let spaces: SpacesDouble;
  let harness: StorageHarness;
  beforeAll(async () => {
    spaces = await startSpacesDouble();
    closing.push(() => spaces.close());
    harness = await opened(spaces.store, 'dedicated-bucket');
  });
  beforeEach(() => {
    spaces.noted.length = 0;
  });
  const [CREATE, UPDATE, DELETE] = ['POST /v2/spaces/keys', 'PUT /v2/spaces/keys/{access_key}', 'DELETE /v2/spaces/keys/{access_key}'];

  test('a key for one bucket; cut takes its grants, read-only leaves it to read', async () => {
    const request = await provisioned(harness);
    const name = `${request.objectName}_1`;
    const bucket = request.objectName.replace('_', '-');
    await harness.backend.cut(request);
    await harness.backend.setReadOnly({ ...request, readOnly: true });
    await harness.backend.restore(request);
    await harness.backend.setReadOnly({ ...request, readOnly: false });
    await harness.backend.deprovision(request);
    const changes = spaces.noted.filter(({ action }) => [CREATE, UPDATE].includes(action));
    expect(changes.map(said)).toEqual([
      { name, grants: [{ bucket, permission: 'readwrite' }] },
      { name, grants: [] },
      { name: `${name}.readonly`, grants: [] },
      { name: `${name}.readonly`, grants: [{ bucket, permission: 'read' }] },
      { name, grants: [{ bucket, permission: 'readwrite' }] },
    ]);
    for (const { headers } of changes) expect(headers.authorization).toBe(`Bearer ${spaces.store.apiToken}`);
    expect(of(spaces, DELETE)).toHaveLength(1);
    expect([spaces.keys.size, spaces.s3.buckets.has(bucket)]).toEqual([0, false]);
  });

  test('a key whose secret was lost with the answer is ended, and one made whose secret is known', async () => {
    spaces.mishaps.push({ action: CREATE, times: 1, lost: true });
    const request = harness.newRequest();
    await expect(harness.backend.provision(request)).rejects.toMatchObject({ name: 'ProviderUnavailable' });
    expect(spaces.keys.size).toBe(1);
    await harness.backend.provision(request);
    expect([...spaces.keys.keys()]).toEqual([harness.keyOf(request).accessKeyId]);
    expect(await statusOf(harness, request)).toBe(200);
    await harness.backend.deprovision(request);
  });

  test('a key that was made and answered with an error is ended, and the one whose secret is known works', async () => {
    spaces.mishaps.push({ action: CREATE, times: 1, after: json(500, { id: 'server_error', message: 'Unexpected server-side error' }) });
    const request = await provisioned(harness);
    expect(of(spaces, CREATE).map(({ status }) => status)).toEqual([500, 201]);
    expect([...spaces.keys.keys()]).toEqual([harness.keyOf(request).accessKeyId]);
    expect(await statusOf(harness, request)).toBe(200);
    await harness.backend.deprovision(request);
  });

  test('more keys than a page holds are all found, and those of others are left alone', async () => {
    const foreign = { name: 'somebody', access_key: 'DO00OTHER', secret_key: 's', grants: [], created_at: '' };
    spaces.keys.set(foreign.access_key, foreign);
    spaces.page.size = 2;
    const requests = [await provisioned(harness), await provisioned(harness), await provisioned(harness)];
    expect(await harness.backend.list('test')).toEqual(requests.map(({ objectName }) => objectName).sort());
    for (const request of requests) await harness.backend.deprovision(request);
    expect([...spaces.keys.values()]).toEqual([foreign]);
  });

  test('success that changed nothing is no success', async () => {
    const request = await provisioned(harness);
    const key = spaces.keys.get(harness.keyOf(request).accessKeyId);
    spaces.mishaps.push({ action: UPDATE, times: 1, instead: json(200, { key: { ...key, secret_key: undefined } }) });
    await expect(harness.backend.cut(request)).rejects.toThrow('left the grants');
    await harness.backend.cut(request);
    expect(await statusOf(harness, request)).toBe(403);
  });

  test('a rate limit is waited for; one that is too long, and a token that is refused, are said', async () => {
    spaces.mishaps.push({
      action: CREATE,
      times: 1,
      instead: json(429, { id: 'too_many_requests', message: 'API rate limit exceeded.' }, { 'retry-after': '1' }),
    });
    await provisioned(harness);
    spaces.mishaps.push({
      action: CREATE,
      times: 9,
      instead: json(429, { id: 'too_many_requests', message: 'API rate limit exceeded.' }, { 'retry-after': '3600' }),
    });
    await expect(provisioned(harness)).rejects.toMatchObject({
      name: 'ProviderUnavailable',
      message: expect.stringContaining('rate limit exceeded'),
    });
    spaces.mishaps.length = 0;
    spaces.mishaps.push({ action: CREATE, times: 1, instead: json(401, { id: 'Unauthorized', message: 'Unable to authenticate you' }) });
    await expect(provisioned(harness)).rejects.toMatchObject({
      name: 'ProviderMisconfigured',
      message: expect.stringContaining('api_token_env'),
    });
  });

  test('an account without the API of the keys is told what to do', async () => {
    spaces.mishaps.push({ action: 'GET /v2/spaces/keys', times: 1, instead: json(404, { id: 'not_found', message: 'not found' }) });
    const without = startStorageHarness(spaces.store, 'dedicated-bucket');
    await expect(without.backend.prepareServer('test')).rejects.toThrow('leave api_token_env out');
    await without.close();
  });

  const withoutToken = (): StoreUnderTest => {
    const { apiToken: _, ...store } = spaces.store;
    return store;
  };

  test.each(['dedicated-bucket', 'broker'] as const)(
    'the token gone, nothing is said to be done to a key of mode %s, no other is given, and all goes on once it is back',
    async (mode) => {
      const before = await opened(spaces.store, mode);
      const request = await provisioned(before);
      const keys = JSON.stringify([...spaces.keys]);
      const without = startStorageHarness(withoutToken(), 'broker', before.records);
      closing.unshift(() => without.close());
      const rotation = { ...request, credentialVersion: 2, previousVersion: 1 };
      const remedy = { name: 'ProviderUnavailable', message: expect.stringContaining('in api_token_env') };
      for (const attempt of [
        () => without.backend.provision(request),
        () => without.backend.cut(request),
        () => without.backend.restore(request),
        () => without.backend.setReadOnly({ ...request, readOnly: true }),
        () => without.backend.rotate(rotation),
        () => without.backend.retireCredential({ ...request, retireVersion: 1 }),
      ])
        await expect(attempt()).rejects.toMatchObject(remedy);
      // Whoever has a bucket of its own; a key for the shared one is shown to nobody, and the sweep finds it once the token is back.
      if (mode === 'dedicated-bucket') await expect(without.backend.deprovision(request)).rejects.toMatchObject(remedy);
      expect(JSON.stringify([...spaces.keys])).toBe(keys);
      expect([...before.records.issued.keys()].filter((slot) => slot.startsWith(request.resourceId))).toHaveLength(1);
      expect(await statusOf(before, request)).toBe(200);
      await before.backend.rotate(rotation);
      await before.backend.cut(request);
      expect(await statusOf(before, request)).toBe(403);
      await before.backend.deprovision(request);
      expect(spaces.keys.has(before.keyOf(request).accessKeyId)).toBe(false);
    },
  );

  test('a token that came later changes nothing for what the platform signs, and its key is kept with no resource', async () => {
    const before = await opened(withoutToken(), 'broker');
    const request = await provisioned(before);
    expect([...before.records.issued]).toEqual([]);
    const later = startStorageHarness(spaces.store, 'dedicated-bucket', before.records);
    closing.unshift(() => later.close());
    await later.backend.prepareServer('test');
    await later.backend.provision(request);
    await later.backend.setReadOnly({ ...request, readOnly: true });
    await later.backend.setReadOnly({ ...request, readOnly: false });
    await later.backend.cut(request);
    await later.backend.restore(request);
    await later.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await later.backend.retireCredential({ ...request, credentialVersion: 2, retireVersion: 1 });
    expect(later.detailsOf(request).mode).toBe('broker');
    expect(await statusOf(later, request)).toBe(200);
    expect([of(spaces, CREATE), of(spaces, UPDATE), [...before.records.issued]]).toEqual([[], [], []]);
    await later.backend.deprovision(request);
    expect(await later.backend.list('test')).not.toContain(request.objectName);
  });

  test('nothing was sent that DigitalOcean would not understand', () => expect(spaces.faults).toEqual([]));
});

describe('the double itself', () => {
  test('a wrong secret, another body and another host are faults that it keeps', async () => {
    const aws = await startAwsDouble();
    closing.push(() => aws.close());
    const harness = await opened(aws.store, 'prefix-scoped');
    const request = await provisioned(harness);
    const { endpoint, region } = harness.config;
    const { bucket, prefix } = harness.detailsOf(request);
    const key = harness.keyOf(request);
    const url = await presignObject({
      ...{ endpoint, region, bucket, operation: 'GET', objectKey: `${prefix}a`, key: { ...key, secretAccessKey: 'another' } },
      ...{ expiresInSeconds: 60, signedAt: new Date() },
    });
    expect((await fetch(url)).status).toBe(403);
    expect(aws.faults).toHaveLength(1);
    const unsigned = await fetch(`${endpoint}/${bucket}`, { method: 'PATCH' });
    expect(unsigned.status).toBe(501);
    expect(aws.faults).toHaveLength(2);
  });
});
