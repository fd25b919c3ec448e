// A double of AWS IAM and STS: the query protocol, users with inline policies and keys, and, where a test wants it, the time that they take.
import { randomBytes } from 'node:crypto';
import { allows, denies, type Policy } from './policy';
import { Refusal } from './refusal';
import { escaped, type Principal } from './s3';
import type { Answer, DoubleServer, Handler } from './server';
import { type Received, verifySignature } from './signature';

interface User {
  name: string;
  path: string;
  policies: Record<string, string>;
  keys: Record<string, { secret: string; status: string }>;
}

/** The users after a change, and from when on it is seen. */
interface View {
  fromMs: number;
  listedFromMs: number;
  users: Map<string, User>;
}

interface Session {
  secret: string;
  token: string;
  userName: string;
  policy: Policy;
  expiresAtMs: number;
}

export interface IamOptions {
  account: string;
  partition: string;
  admin: { accessKeyId: string; secretAccessKey: string; policy: Policy };
  iamRegion: string;
  region: string;
  policyOf: (bucket: string) => string | null;
}

const POLICY_CHARACTERS = 2048;
const KEYS_PER_USER = 2;
const VERSIONS: Readonly<Record<string, string>> = { iam: '2010-05-08', sts: '2011-06-15' };

export class IamDouble {
  readonly users = new Map<string, User>();
  /** From the acknowledgement of a change to its effect at S3 and STS. */
  lagMs = 0;
  /** The same, until a list of users shows it ("Changes that I make are not always immediately visible", IAM User Guide). */
  listLagMs = 0;
  /** Users a page. */
  page = 1000;
  readonly #options: IamOptions;
  readonly #server: DoubleServer;
  readonly #sessions = new Map<string, Session>();
  #views: View[] = [{ fromMs: 0, listedFromMs: 0, users: new Map() }];

  constructor(server: DoubleServer, options: IamOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** For the user that a shared key belongs to, which is the operator's work. */
  addUser(user: User): void {
    this.users.set(user.name, user);
    this.#changed();
  }

  arnOf(userName: string): string {
    const { partition, account } = this.#options;
    return `arn:${partition}:iam::${account}:user${this.users.get(userName)?.path ?? '/'}${userName}`;
  }

  readonly handle = (service: 'iam' | 'sts'): Handler => {
    const region = service === 'iam' ? this.#options.iamRegion : this.#options.region;
    return async (received) => {
      const parameters = new URLSearchParams(received.body.toString());
      const action = parameters.get('Action') ?? 'unknown';
      return { action, run: () => this.#answer({ service, region, received, parameters, action }) };
    };
  };

  async #answer({ service, region, received, parameters, action }: Query): Promise<Answer> {
    try {
      if (received.method !== 'POST' || received.path !== '/' || parameters.get('Version') !== VERSIONS[service])
        throw new Refusal(400, 'InvalidAction', `${received.method} ${received.path} Version ${parameters.get('Version')}`, true);
      let caller: string | null = null;
      const signed = await verifySignature(received, { service, region }, ({ accessKeyId }) => {
        const found = this.#secretOf(service, accessKeyId);
        caller = found.userName;
        return found.secret;
      });
      if (signed === null) throw new Refusal(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token');
      const result = service === 'iam' ? this.#iam(action, parameters, caller) : this.#sts(action, parameters, caller);
      const body = `<${action}Response><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`;
      return { status: 200, headers: { 'content-type': 'text/xml' }, body };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.isFault) this.#server.faults.push(`${service} ${action}: ${error.code} ${error.message}`);
      const { status, code, message } = error;
      const body = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${escaped(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>`;
      return { status, headers: { 'content-type': 'text/xml' }, body };
    }
  }

  /** Null as the user's name = the platform's own. */
  #secretOf(service: string, accessKeyId: string): { secret: string; userName: string | null } {
    const { admin } = this.#options;
    if (accessKeyId === admin.accessKeyId) return { secret: admin.secretAccessKey, userName: null };
    const users = service === 'iam' ? this.users : this.#view();
    for (const user of users.values()) {
      const key = user.keys[accessKeyId];
      if (key?.status === 'Active') return { secret: key.secret, userName: user.name };
    }
    throw new Refusal(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
  }

  #iam(action: string, parameters: URLSearchParams, caller: string | null): string {
    if (caller !== null) throw new Refusal(403, 'AccessDenied', `${caller} is not authorized to perform iam:${action}`);
    this.#checkPlatform(`iam:${action}`, action === 'ListUsers' ? '*' : this.#asked(action, parameters));
    if (action === 'ListUsers') return this.#listUsers(parameters);
    if (action === 'CreateUser') return this.#createUser(parameters);
    const name = parameters.get('UserName') ?? '';
    const user = this.users.get(name);
    if (user === undefined) throw new Refusal(404, 'NoSuchEntity', `The user with name ${name} cannot be found.`);
    const result = this.#onUser(action, user, parameters);
    this.#changed();
    return result;
  }

  #onUser(action: string, user: User, parameters: URLSearchParams): string {
    const policyName = parameters.get('PolicyName') ?? '';
    const keyId = parameters.get('AccessKeyId') ?? '';
    switch (action) {
      case 'DeleteUser':
        if (Object.keys(user.policies).length + Object.keys(user.keys).length > 0)
          throw new Refusal(409, 'DeleteConflict', 'Cannot delete entity, must delete policies and access keys first.');
        this.users.delete(user.name);
        return '';
      case 'PutUserPolicy':
        user.policies[policyName] = checkedPolicy(parameters.get('PolicyDocument') ?? '', this.#options.partition);
        return '';
      case 'GetUserPolicy':
        return `<UserName>${user.name}</UserName><PolicyName>${policyName}</PolicyName><PolicyDocument>${encodeURIComponent(there(user.policies, policyName))}</PolicyDocument>`;
      case 'DeleteUserPolicy':
        there(user.policies, policyName);
        delete user.policies[policyName];
        return '';
      case 'ListUserPolicies':
        return `<PolicyNames>${Object.keys(user.policies)
          .map((name) => `<member>${name}</member>`)
          .join('')}</PolicyNames><IsTruncated>false</IsTruncated>`;
      case 'CreateAccessKey':
        return createKey(user);
      case 'UpdateAccessKey':
        there(user.keys, keyId).status = parameters.get('Status') ?? '';
        return '';
      case 'DeleteAccessKey':
        there(user.keys, keyId);
        delete user.keys[keyId];
        return '';
      case 'ListAccessKeys': {
        const keys = Object.entries(user.keys).map(
          ([id, { status }]) => `<member><AccessKeyId>${id}</AccessKeyId><Status>${status}</Status></member>`,
        );
        return `<AccessKeyMetadata>${keys.join('')}</AccessKeyMetadata><IsTruncated>false</IsTruncated>`;
      }
      default:
        throw new Refusal(400, 'InvalidAction', `Could not find operation ${action}`, true);
    }
  }

  #createUser(parameters: URLSearchParams): string {
    const name = parameters.get('UserName') ?? '';
    const path = parameters.get('Path') ?? '/';
    if (!/^[\w+=,.@-]{1,64}$/.test(name) || !/^\/(?:[!-~]+\/)?$/.test(path))
      throw new Refusal(400, 'ValidationError', `${path}${name} is no name of a user`, true);
    if (this.users.has(name)) throw new Refusal(409, 'EntityAlreadyExists', `User with name ${name} already exists.`);
    this.addUser({ name, path, policies: {}, keys: {} });
    return `<User><UserName>${name}</UserName><Path>${path}</Path><Arn>${this.arnOf(name)}</Arn></User>`;
  }

  #listUsers(parameters: URLSearchParams): string {
    const prefix = parameters.get('PathPrefix') ?? '/';
    const after = parameters.get('Marker') ?? '';
    const names = [...this.#view('listedFromMs').values()].filter(({ path }) => path.startsWith(prefix)).map(({ name }) => name);
    const rest = names.sort().filter((name) => name > after);
    const page = rest.slice(0, Math.min(Number(parameters.get('MaxItems') ?? 100), this.page));
    const isTruncated = rest.length > page.length;
    const marker = isTruncated ? `<Marker>${page.at(-1)}</Marker>` : '';
    const members = page.map((name) => `<member><UserName>${name}</UserName></member>`);
    return `<Users>${members.join('')}</Users><IsTruncated>${isTruncated}</IsTruncated>${marker}`;
  }

  #sts(action: string, parameters: URLSearchParams, caller: string | null): string {
    if (action !== 'GetFederationToken') throw new Refusal(400, 'InvalidAction', `Could not find operation ${action}`, true);
    const seconds = Number(parameters.get('DurationSeconds'));
    const name = parameters.get('Name') ?? '';
    if (caller === null || !(seconds >= 900 && seconds <= 129_600) || !/^[\w+=,.@-]{2,32}$/.test(name))
      throw new Refusal(400, 'ValidationError', `GetFederationToken ${name} for ${seconds} s by ${caller ?? 'the platform'}`, true);
    const question = { action: 'sts:GetFederationToken', resource: '*', principal: this.arnOf(caller) };
    if (!allows(policiesOf(this.#view().get(caller)), question)) throw new Refusal(403, 'AccessDenied', `${caller} may not federate`);
    const id = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
    const session: Session = {
      ...{ secret: randomBytes(20).toString('hex'), token: randomBytes(40).toString('base64'), userName: caller },
      policy: JSON.parse(checkedPolicy(parameters.get('Policy') ?? '', this.#options.partition)) as Policy,
      expiresAtMs: Date.now() + seconds * 1000,
    };
    this.#sessions.set(id, session);
    const expiration = new Date(session.expiresAtMs).toISOString();
    return `<Credentials><AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${session.secret}</SecretAccessKey><SessionToken>${escaped(session.token)}</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
  }

  /** As S3 sees whoever holds a key, which may be some time behind. */
  identify(accessKeyId: string, sessionToken: string | null): Principal {
    const { admin } = this.#options;
    if (accessKeyId === admin.accessKeyId)
      return {
        secret: admin.secretAccessKey,
        may: (asked) => {
          this.#checkPlatform(asked.action, asked.bucket === '' ? '*' : this.#resourceOf(asked));
          return true;
        },
      };
    const session = this.#sessions.get(accessKeyId);
    if (session !== undefined) {
      if (session.token !== sessionToken)
        throw new Refusal(403, 'InvalidToken', 'The provided token is malformed or otherwise invalid.', true);
      if (Date.now() > session.expiresAtMs) throw new Refusal(400, 'ExpiredToken', 'The provided token has expired.');
      return { secret: session.secret, may: (question) => this.#may(session.userName, question, session.policy) };
    }
    for (const user of this.#view().values()) {
      const key = user.keys[accessKeyId];
      if (key?.status === 'Active') return { secret: key.secret, may: (question) => this.#may(user.name, question, null) };
    }
    throw new Refusal(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.');
  }

  #may(userName: string, asked: Parameters<Principal['may']>[0], session: Policy | null): boolean {
    const question = { action: asked.action, resource: this.#resourceOf(asked), prefix: asked.prefix, principal: this.arnOf(userName) };
    const own = policiesOf(this.#view().get(userName));
    const ofBucket = this.#options.policyOf(asked.bucket);
    const bucketPolicies = ofBucket === null ? [] : [JSON.parse(ofBucket) as Policy];
    if (denies([...own, ...bucketPolicies], question)) return false;
    return allows(own, question) && (session === null || allows([session], question));
  }

  #resourceOf({ bucket, key }: { bucket: string; key?: string }): string {
    return `arn:${this.#options.partition}:s3:::${bucket}${key === undefined ? '' : `/${key}`}`;
  }

  /** Of a user that is not there IAM knows no path. */
  #asked(action: string, parameters: URLSearchParams): string {
    const name = parameters.get('UserName') ?? '';
    const { partition, account } = this.#options;
    return action === 'CreateUser' ? `arn:${partition}:iam::${account}:user${parameters.get('Path') ?? '/'}${name}` : this.arnOf(name);
  }

  /** What the printed policy does not allow is a fault of Leasehold's, or of the page. */
  #checkPlatform(action: string, resource: string): void {
    if (!allows([this.#options.admin.policy], { action, resource, principal: 'platform' }))
      throw new Refusal(403, 'AccessDenied', `the platform is not authorized to perform ${action} on ${resource}`, true);
  }

  #view(since: 'fromMs' | 'listedFromMs' = 'fromMs'): Map<string, User> {
    const now = performance.now();
    const current = this.#views.findLast((view) => view[since] <= now);
    return current?.users ?? new Map();
  }

  /** As if the time had passed that any change needs. */
  spread(): void {
    this.#views = this.#views.slice(-1).map((view) => ({ ...view, fromMs: 0, listedFromMs: 0 }));
  }

  #changed(): void {
    const now = performance.now();
    this.#views.push({ fromMs: now + this.lagMs, listedFromMs: now + this.listLagMs, users: structuredClone(this.users) });
    if (this.lagMs === 0 && this.listLagMs === 0) this.#views = this.#views.slice(-1);
  }
}

interface Query {
  service: 'iam' | 'sts';
  region: string;
  received: Received;
  parameters: URLSearchParams;
  action: string;
}

function policiesOf(user: User | undefined): Policy[] {
  return Object.values(user?.policies ?? {}).map((text) => JSON.parse(text) as Policy);
}

function there<T>(record: Record<string, T>, name: string): T {
  const value = record[name];
  if (value === undefined) throw new Refusal(404, 'NoSuchEntity', `${name} cannot be found.`);
  return value;
}

function createKey(user: User): string {
  if (Object.keys(user.keys).length >= KEYS_PER_USER)
    throw new Refusal(409, 'LimitExceeded', `Cannot exceed quota for AccessKeysPerUser: ${KEYS_PER_USER}`, true);
  const id = `AKIA${randomBytes(8).toString('hex').toUpperCase()}`;
  const secret = randomBytes(20).toString('base64');
  user.keys[id] = { secret, status: 'Active' };
  return `<AccessKey><UserName>${user.name}</UserName><AccessKeyId>${id}</AccessKeyId><Status>Active</Status><SecretAccessKey>${escaped(secret)}</SecretAccessKey></AccessKey>`;
}

/** What IAM checks when it takes a policy: its size without white space, the characters of a Sid, its own partition. */
function checkedPolicy(text: string, partition: string): string {
  const { Version, Statement } = JSON.parse(text) as Policy;
  const size = text.replace(/\s/g, '').length;
  if (size > POLICY_CHARACTERS) throw new Refusal(409, 'LimitExceeded', `${size} characters of policy`, true);
  const isRight = Statement.every(
    ({ Sid = '', Resource }) => /^[A-Za-z0-9]*$/.test(Sid) && Resource.every((one) => one === '*' || one.startsWith(`arn:${partition}:`)),
  );
  if (Version !== '2012-10-17' || !isRight) throw new Refusal(400, 'MalformedPolicyDocument', 'Syntax errors in policy.', true);
  return text;
}
