// Being somebody else: IAM, STS, made-up keys, signatures that were changed.
import {
  AddUserToGroupCommand,
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteUserCommand,
  DeleteUserPolicyCommand,
  GetUserCommand,
  GetUserPolicyCommand,
  IAMClient,
  ListAccessKeysCommand,
  ListUsersCommand,
  PutUserPolicyCommand,
  UpdateAccessKeyCommand,
  UpdateUserCommand,
} from '@aws-sdk/client-iam';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, GetFederationTokenCommand, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { clientOptions, type StorageKey } from '../../../shared/storageprovider';
import type { Attack } from '../attack';
import { all, allIsWell, MARK, mustRefuse, type Outcome, raw, rawRefused, signed, type World } from './world';

export function identityAttacks(world: World): Attack[] {
  return [...sts(world), ...keys(world), ...signatures(world), ...anonymous(world)];
}

const EVERYTHING = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['*'] }] });

function settings({ harness }: World, key: StorageKey) {
  const { endpoint, region } = harness.config;
  return { ...clientOptions({ endpoint, region, key }), maxAttempts: 1 };
}

/** Where the store speaks AWS's IAM; one that does not has an API of its own to be attacked. */
export function iamAttacks(world: World): Attack[] {
  const client = new IAMClient(settings(world, world.harness.keyOf(world.attacker.request)));
  const [self, other] = [world.attacker, world.victim].map(({ request }) => `${request.objectName}_1`);
  const victimsKey = world.harness.keyOf(world.victim.request).accessKeyId;
  const policy = { PolicyName: 'access', PolicyDocument: EVERYTHING };
  const calls: [string, () => Promise<unknown>][] = [
    ['list users', () => client.send(new ListUsersCommand({}))],
    ['make a user', () => client.send(new CreateUserCommand({ UserName: 'attacker' }))],
    ["read the neighbour's user", () => client.send(new GetUserCommand({ UserName: other }))],
    ["read the neighbour's policy", () => client.send(new GetUserPolicyCommand({ UserName: other, PolicyName: 'access' }))],
    ["list the neighbour's keys", () => client.send(new ListAccessKeysCommand({ UserName: other }))],
    ['a key for the neighbour', () => client.send(new CreateAccessKeyCommand({ UserName: other }))],
    ['a key for the platform', () => client.send(new CreateAccessKeyCommand({ UserName: 'platform' }))],
    ["a policy of one's own", () => client.send(new PutUserPolicyCommand({ UserName: self, ...policy }))],
    [
      'a managed policy',
      () => client.send(new AttachUserPolicyCommand({ UserName: self, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' })),
    ],
    [
      "the neighbour's key off",
      () => client.send(new UpdateAccessKeyCommand({ UserName: other, AccessKeyId: victimsKey, Status: 'Inactive' })),
    ],
    ['another name for oneself', () => client.send(new UpdateUserCommand({ UserName: self, NewUserName: `${self}0` }))],
    ["one's own policy away", () => client.send(new DeleteUserPolicyCommand({ UserName: self, PolicyName: 'access' }))],
    ["one's own user away", () => client.send(new DeleteUserCommand({ UserName: self }))],
    ['into a group', () => client.send(new AddUserToGroupCommand({ UserName: self, GroupName: 'admins' }))],
    ["the neighbour's user away", () => client.send(new DeleteUserCommand({ UserName: other }))],
  ];
  return calls.map(([name, call]) => ({
    name: `IAM: ${name}`,
    run: () => all([mustRefuse(call(), `${name}: answered`), allIsWell(world)]),
  }));
}

function sts(world: World): Attack[] {
  const client = new STSClient(settings(world, world.harness.keyOf(world.attacker.request)));
  /** Whatever session comes back, it must not reach the neighbour. */
  const session = async (call: Promise<{ Credentials?: { AccessKeyId?: string; SecretAccessKey?: string; SessionToken?: string } }>) => {
    const { Credentials } = await call.catch(() => ({ Credentials: undefined }));
    if (!Credentials?.AccessKeyId || !Credentials.SecretAccessKey) return 'refused' as const;
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = Credentials;
    const s3 = new S3Client({ ...settings(world, { accessKeyId, secretAccessKey, sessionToken }), forcePathStyle: true });
    const { bucket: Bucket, prefix } = world.victim;
    return mustRefuse(s3.send(new GetObjectCommand({ Bucket, Key: `${prefix}secret` })), 'a session reads the secret');
  };
  const roles = ['arn:aws:iam::role/tenant', 'arn:aws:iam::role/admin', 'arn:aws:iam::000000000000:role/S3AdminRole'];
  return [
    ...roles.map((RoleArn) => ({
      name: `STS: the role ${RoleArn}`,
      run: () => session(client.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'attacker', Policy: EVERYTHING }))),
    })),
    {
      name: 'STS: a session that may do everything',
      run: () => session(client.send(new GetFederationTokenCommand({ Name: 'a', Policy: EVERYTHING }))),
    },
    { name: 'STS: a session without a policy', run: () => session(client.send(new GetFederationTokenCommand({ Name: 'a' }))) },
    { name: 'STS: a session of oneself', run: () => session(client.send(new GetSessionTokenCommand({}))) },
  ];
}

function keys(world: World): Attack[] {
  const { attacker, victim, harness } = world;
  const [own, other] = [harness.keyOf(attacker.request), harness.keyOf(victim.request)];
  const read = (key: StorageKey): Promise<Outcome> => {
    const s3 = new S3Client({ ...settings(world, key), forcePathStyle: true });
    const call = s3.send(new GetObjectCommand({ Bucket: victim.bucket, Key: `${victim.prefix}secret` }));
    return mustRefuse(call, 'the secret was read', [400, 401, 403]);
  };
  const made: [string, StorageKey][] = [
    ["the neighbour's id with one's own secret", { ...own, accessKeyId: other.accessKeyId }],
    ["the neighbour's id with an empty-looking secret", { ...other, secretAccessKey: ' ' }],
    ['a made-up id', { ...own, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }],
    ["the platform's id", { ...own, accessKeyId: harness.config.admin.accessKeyId }],
    ["one's own key with a made-up session", { ...own, sessionToken: 'eyJhbGciOiJub25lIn0.e30.' }],
    ...(other.sessionToken === undefined
      ? []
      : ([
          ["the neighbour's session with one's own key", { ...own, sessionToken: other.sessionToken }],
          ["the neighbour's id and one's own session", { ...own, accessKeyId: other.accessKeyId, secretAccessKey: own.secretAccessKey }],
          ['a session token that was changed', { ...own, sessionToken: widened(own.sessionToken ?? '', attacker.prefix, victim.prefix) }],
          ['a temporary key without its session', { ...other, sessionToken: undefined }],
        ] satisfies [string, StorageKey][])),
  ];
  return made.map(([name, key]) => ({ name: `with ${name}`, run: () => read(key) }));
}

/** The token's own policy, for another prefix. */
function widened(token: string, from: string, to: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = Buffer.from(payload, 'base64url').toString('utf8').replaceAll(from, to);
  return [header, Buffer.from(claims).toString('base64url'), signature].join('.');
}

function signatures(world: World): Attack[] {
  const { attacker, victim } = world;
  const own = { bucket: attacker.bucket, objectKey: `${attacker.prefix}own` };
  const secret = { bucket: victim.bucket, objectKey: `${victim.prefix}secret` };
  const change = (name: string, make: () => Promise<string>, method = 'GET'): Attack => ({
    name: `a signed url: ${name}`,
    run: async () =>
      all([rawRefused(await raw(await make(), { method, body: method === 'PUT' ? MARK : undefined }), name), allIsWell(world)]),
  });
  const ownUrl = () => signed(world, attacker, { operation: 'GET', ...own });
  const ownPath = `/${own.bucket}/${own.objectKey}`;
  const secretPath = `/${secret.bucket}/${secret.objectKey}`;
  return [
    change("for the neighbour's key", () => signed(world, attacker, { operation: 'GET', ...secret })),
    change("for writing the neighbour's key", () => signed(world, attacker, { operation: 'PUT', ...secret }), 'PUT'),
    change('its path changed', async () => (await ownUrl()).replace(ownPath, secretPath)),
    change('its path changed, the old one kept behind', async () => (await ownUrl()).replace(ownPath, `${ownPath}/../../..${secretPath}`)),
    change('its method changed to PUT', ownUrl, 'PUT'),
    change('its method changed to DELETE', ownUrl, 'DELETE'),
    change('its life made longer', async () =>
      (await signed(world, attacker, { operation: 'GET', ...own, expiresInSeconds: 1, signedAt: new Date(Date.now() - 60_000) })).replace(
        'X-Amz-Expires=1',
        'X-Amz-Expires=3600',
      ),
    ),
    change('expired', () =>
      signed(world, attacker, { operation: 'GET', ...own, expiresInSeconds: 1, signedAt: new Date(Date.now() - 60_000) }),
    ),
    change('without its signature', async () => (await ownUrl()).replace(/X-Amz-Signature=[^&]*/, 'X-Amz-Signature=')),
    change(
      'unsigned, with the key in the query',
      async () => `${world.harness.config.endpoint}${secretPath}?AWSAccessKeyId=${world.harness.keyOf(victim.request).accessKeyId}`,
    ),
    change('a sub-resource added', async () => `${await ownUrl()}&acl`),
  ];
}

function anonymous(world: World): Attack[] {
  const { victim, harness } = world;
  const { endpoint } = harness.config;
  const object = `${endpoint}/${victim.bucket}/${victim.prefix}secret`;
  const form = `--x\r\nContent-Disposition: form-data; name="key"\r\n\r\n${victim.prefix}planted\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n${MARK}\r\n--x--\r\n`;
  const calls: [string, () => Promise<{ status: number; body: string }>][] = [
    ['read', () => raw(object)],
    ['write', () => raw(`${endpoint}/${victim.bucket}/${victim.prefix}planted`, { method: 'PUT', body: MARK })],
    ['delete', () => raw(object, { method: 'DELETE' })],
    ['list', () => raw(`${endpoint}/${victim.bucket}?list-type=2`)],
    ['all buckets', () => raw(`${endpoint}/`)],
    [
      'a form upload',
      () =>
        raw(`${endpoint}/${victim.bucket}`, { method: 'POST', body: form, headers: { 'content-type': 'multipart/form-data; boundary=x' } }),
    ],
    [
      'IAM',
      () =>
        raw(`${endpoint}/`, {
          method: 'POST',
          body: 'Action=ListUsers&Version=2010-05-08',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        }),
    ],
    [
      'STS',
      () =>
        raw(`${endpoint}/`, {
          method: 'POST',
          body: 'Action=AssumeRole&RoleArn=arn:aws:iam::role/admin&RoleSessionName=a&Version=2011-06-15',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        }),
    ],
  ];
  return calls.map(([name, call]) => ({
    name: `without any key: ${name}`,
    run: async () => all([rawRefused(await call(), name), allIsWell(world)]),
  }));
}
