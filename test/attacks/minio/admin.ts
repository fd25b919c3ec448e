// MinIO's own API in the hands of a tenant: users, policies, keys for oneself, what is in archives, the server.
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { MinioAdmin, type MinioAdminCall, MinioAdminError } from '../../../shared/storageprovider/minioadmin';
import { sealForMinio } from '../../../shared/storageprovider/minioencryption';
import type { MinioServer } from '../../harness/minio';
import type { Attack } from '../attack';
import { files } from '../storage/ports';
import { all, allIsWell, mustRefuse, type Outcome, raw, rawRefused, SECRET, signed, type Tenant, type World } from '../storage/world';

const EVERYTHING = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] }],
});

async function refused(call: Promise<unknown>, what: string): Promise<Outcome> {
  try {
    await call;
  } catch (error) {
    if (error instanceof MinioAdminError && error.status === 403) return 'refused';
    return { breached: `proves nothing: ${error}` };
  }
  return { breached: what };
}

export function adminAttacks(world: World): Attack[] {
  const { attacker, victim, harness } = world;
  const key = harness.keyOf(attacker.request);
  const admin = new MinioAdmin({ endpoint: harness.config.endpoint, region: harness.config.region, key });
  const [self, other] = [attacker, victim].map(({ request }) => `${request.objectName}_1`) as [string, string];
  const sealed = async (call: MinioAdminCall, body: unknown) =>
    admin.send({ ...call, body: await sealForMinio(key.secretAccessKey, JSON.stringify(body)) });
  const ownKey = { accessKey: 'attackerskey', secretKey: 'attackerssecret' };
  const calls: [string, () => Promise<unknown>][] = [
    ['list users', () => admin.send({ method: 'GET', path: '/list-users' })],
    ['list policies', () => admin.policies()],
    ['make a user', () => admin.putUser('attacker', 'attackerssecret')],
    ["another secret for the neighbour's user", () => admin.putUser(other, 'attackerssecret')],
    ["another secret for one's own user", () => admin.putUser(self, 'attackerssecret')],
    ["read the neighbour's user", () => admin.hasUser(other)],
    [
      "the neighbour's user off",
      () => admin.send({ method: 'PUT', path: '/set-user-status', query: { accessKey: other, status: 'disabled' } }),
    ],
    ["the neighbour's user away", () => admin.removeUser(other)],
    ["the neighbour's sessions ended", () => admin.endSessions(other)],
    ["a policy of one's own", () => admin.putPolicy(self, EVERYTHING)],
    ["the neighbour's policy for oneself", () => admin.attachPolicy(other, self)],
    ['the policy of admins for oneself', () => admin.attachPolicy('consoleAdmin', self)],
    ["one's own policy away", () => admin.attachPolicy('', self)],
    ["the neighbour's policy away", () => admin.removePolicy(other)],
    ['a key for oneself', () => sealed({ method: 'PUT', path: '/add-service-account' }, ownKey)],
    ['a key for the neighbour', () => sealed({ method: 'PUT', path: '/add-service-account' }, { ...ownKey, targetUser: other })],
    ['a group', () => admin.send({ method: 'PUT', path: '/update-group-members', body: JSON.stringify({ group: 'a', members: [self] }) })],
    [
      "a quota on the neighbour's bucket",
      () =>
        admin.send({ method: 'PUT', path: '/set-bucket-quota', query: { bucket: victim.bucket }, body: '{"quota":1,"quotatype":"hard"}' }),
    ],
    ['the server itself', () => admin.send({ method: 'GET', path: '/info' })],
    ['its configuration', () => admin.send({ method: 'GET', path: '/get-config-kv', query: { key: 'api' } })],
    ['everything of IAM', () => admin.send({ method: 'GET', path: '/export-iam' })],
    ['stop it', () => admin.send({ method: 'POST', path: '/service', query: { action: 'stop', type: '2' } })],
  ];
  const attacks = calls.map(([name, call]) => ({
    name: `admin API: ${name}`,
    run: async () => all([refused(call(), `${name}: answered`), allIsWell(world)]),
  }));
  return [...attacks, zipEntry(world)];
}

/** A zip with one entry, `entry`, which holds SECRET. */
const ZIP =
  'UEsDBBQAAAAAAAAAIVxL6j1zFgAAABYAAAAFAAAAZW50cnlhIHNlY3JldCBvZiB0aGUgdmljdGltUEsBAhQAFAAAAAAAAAAhXEvqPXMWAAAAFgAAAAUAAAAAAAAAAAAAAIABAAAAAGVudHJ5UEsFBgAAAAABAAEAMwAAADkAAAAAAA==';

/** MinIO opens archives for a signed request that asks for it; whose archive it is it must ask all the same. */
function zipEntry(world: World): Attack {
  const { attacker, victim } = world;
  const archive = { Bucket: victim.bucket, Key: `${victim.prefix}archive.zip` };
  const entry = async ({ client }: Tenant): Promise<string | undefined> => {
    const command = new GetObjectCommand({ ...archive, Key: `${archive.Key}/entry` });
    command.middlewareStack.add(
      (next) => async (args) => {
        (args.request as { headers: Record<string, string> }).headers['x-minio-extract'] = 'true';
        return await next(args);
      },
      { step: 'build', name: 'extract' },
    );
    return await (await client.send(command)).Body?.transformToString();
  };
  return {
    name: "the entry of a neighbour's zip",
    async run() {
      await victim.client.send(new PutObjectCommand({ ...archive, Body: Buffer.from(ZIP, 'base64') }));
      try {
        if ((await entry(victim)) !== SECRET) return { breached: 'proves nothing: the neighbour itself does not get the entry' };
        return await mustRefuse(entry(attacker), 'it was read');
      } finally {
        await victim.client.send(new DeleteObjectCommand(archive));
      }
    },
  };
}

export function serverAttacks(world: World, { home }: MinioServer): Attack[] {
  const { endpoint, region } = world.harness.config;
  const paths = [
    '/minio/v2/metrics/cluster',
    '/minio/v2/metrics/bucket',
    '/minio/metrics/v3',
    '/minio/prometheus/metrics',
    '/minio/admin/v3/info',
  ];
  const usual = new MinioAdmin({ endpoint, region, key: { accessKeyId: 'minioadmin', secretAccessKey: 'minioadmin' } });
  return [
    ...paths.map((path) => ({ name: `${path} without a key`, run: async () => rawRefused(await raw(`${endpoint}${path}`), path) })),
    { name: 'the key that every MinIO has at first', run: () => refused(usual.policies(), 'policies are listed') },
    {
      name: "the server's own bucket, with a signed url",
      run: async () => {
        const url = await signed(world, world.attacker, { operation: 'GET', bucket: '.minio.sys', objectKey: 'config/iam/format.json' });
        return rawRefused(await raw(url), 'its configuration was read');
      },
    },
    { name: 'keys and data on disk', run: async () => files(`${home}/minio`) },
  ];
}
