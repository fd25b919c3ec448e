import { randomBytes, randomInt } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors';
import { writePrivateFile } from '../paths';
import { isPortFree } from '../ports';
import { userBelow } from '../postgres-place';
import { isRunning, type ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import { makeCertificates } from './certificates';
import { serverDefinition } from './supervised';

export const SEAWEEDFS = 'seaweedfs';

/** Tenants hold the S3 port in their urls; the others are the server's own, and of no use without its certificate. */
export const SEAWEEDFS_PORTS = ['', 's3-grpc', 'master', 'master-grpc', 'volume', 'volume-grpc', 'filer', 'filer-grpc'] as const;
export type SeaweedfsPort = (typeof SEAWEEDFS_PORTS)[number];

/** As the stack remembers it: `seaweedfs`, `seaweedfs-master`, ... */
export function seaweedfsPortName(port: SeaweedfsPort): string {
  return port === '' ? SEAWEEDFS : `${SEAWEEDFS}-${port}`;
}

/** Made at the first start, kept beside the data: losing them loses every tenant's access. */
export interface SeaweedfsKeys {
  accessKey: string;
  secretKey: string;
  sharedAccessKey: string;
  sharedSecretKey: string;
  /** For the tokens by which volume server and filer know each other's requests. */
  volumeWrite: string;
  volumeRead: string;
  filerWrite: string;
  filerRead: string;
  /** For session tokens. */
  sessions: string;
  adminPassword: string;
}

export interface SeaweedfsOptions {
  home: string;
  binary: string;
  ports: Readonly<Record<SeaweedfsPort, number>>;
  /** Names the bucket that tenants without one of their own share. */
  installationId: string;
  leftover?: ProcessIdentity;
}

const GRPC_PARTS = ['MASTER', 'VOLUME', 'FILER', 'S3', 'CLIENT', 'ADMIN', 'MSG_BROKER', 'MSG_AGENT', 'WORKER', 'MQ'];
const HTTP_PARTS = ['MASTER', 'VOLUME', 'FILER', 'ADMIN'];
/** The part that reclaims space looks for the admin's gRPC at its HTTP port plus this, whatever else it is told. */
const ADMIN_GRPC_OFFSET = 10_000;
/** So that both are where ports of the stack are. */
const ADMIN_PORTS = { first: 20_000, last: 21_999 };
/** Each bucket has a volume of its own; a volume is a file that grows, so that a high ceiling costs nothing. */
const VOLUMES_MAX = 20_000;
const VOLUME_SIZE_MB = 1024;

/** The embedded object store: S3, IAM and STS on one port; every other port asks for a certificate that only this server has. */
export function seaweedfsDefinition(options: SeaweedfsOptions): ServiceDefinition {
  const { home, binary, ports, leftover } = options;
  const folder = folderOf(home);
  const url = `http://127.0.0.1:${ports['']}`;
  return serverDefinition({
    name: SEAWEEDFS,
    port: ports[''],
    url,
    logFile: join(home, 'logs', `${SEAWEEDFS}.log`),
    leftover,
    probe: () => probe(url),
    graceMs: 8_000,
    async prepare() {
      const keys = seaweedfsKeys(home);
      const files = await writeFiles(folder, keys, options.installationId);
      const user = userBelow(home);
      if (user) for (const path of files) chownSync(path, user.uid, user.gid);
      const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder, LC_ALL: 'C', ...serverEnvironment(folder, keys) };
      const adminPort = await adminPortOf(folder, Object.values(ports), leftover);
      return { command: binary, args: serverArguments(folder, ports, adminPort), env, cwd: folder, ...user };
    },
  });
}

/** For LEASEHOLD_STORAGE_ADMIN_URL. */
export function seaweedfsAdminUrl({ home, ports }: Pick<SeaweedfsOptions, 'home' | 'ports'>): string {
  const { accessKey, secretKey } = seaweedfsKeys(home);
  return `http://${accessKey}:${secretKey}@127.0.0.1:${ports['']}`;
}

/** For LEASEHOLD_STORAGE_SHARED_KEY, which only mode shared-master-key reads. */
export function seaweedfsSharedKey(home: string): string {
  const { sharedAccessKey, sharedSecretKey } = seaweedfsKeys(home);
  return `${sharedAccessKey}:${sharedSecretKey}`;
}

function folderOf(home: string): string {
  return join(home, SEAWEEDFS);
}

function seaweedfsKeys(home: string): SeaweedfsKeys {
  const file = join(folderOf(home), 'keys.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const secret = () => randomBytes(30).toString('hex');
  const id = () => randomBytes(10).toString('hex').toUpperCase();
  const keys: SeaweedfsKeys = {
    accessKey: id(),
    secretKey: secret(),
    sharedAccessKey: id(),
    sharedSecretKey: secret(),
    volumeWrite: secret(),
    volumeRead: secret(),
    filerWrite: secret(),
    filerRead: secret(),
    sessions: randomBytes(32).toString('base64'),
    adminPassword: secret(),
  };
  writePrivateFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

const pkiFiles = (folder: string) => ({
  authority: join(folder, 'pki', 'ca.crt'),
  certificate: join(folder, 'pki', 'server.crt'),
  key: join(folder, 'pki', 'server.key'),
});
const identitiesFile = (folder: string) => join(folder, 's3.json');
const sessionsFile = (folder: string) => join(folder, 'sts.json');
const dataFolder = (folder: string) => join(folder, 'data');

/** Answers every path that the server's user must own. */
async function writeFiles(folder: string, keys: SeaweedfsKeys, installationId: string): Promise<string[]> {
  const folders = [folder, dataFolder(folder), join(folder, 'pki')];
  for (const path of folders) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // The keys' file came first, and its folder with it.
    chmodSync(path, 0o700);
  }
  const pki = pkiFiles(folder);
  if (Object.values(pki).some((path) => !existsSync(path))) {
    const made = await makeCertificates(SEAWEEDFS);
    writePrivateFile(pki.authority, made.authority);
    writePrivateFile(pki.certificate, made.certificate);
    writePrivateFile(pki.key, made.key);
  }
  writePrivateFile(identitiesFile(folder), JSON.stringify(identities(keys, installationId)));
  writePrivateFile(sessionsFile(folder), JSON.stringify(sessions(keys)));
  return [...folders, ...Object.values(pki), identitiesFile(folder), sessionsFile(folder)];
}

/** The platform, and the one key that tenants who trust each other may share; every other user is made through IAM. */
function identities(keys: SeaweedfsKeys, installationId: string): object {
  const shared = `lh${installationId}-tenants`;
  const identity = (name: string, accessKey: string, secretKey: string, actions: string[]) => ({
    name,
    credentials: [{ accessKey, secretKey }],
    actions,
  });
  return {
    identities: [
      identity('platform', keys.accessKey, keys.secretKey, ['Admin', 'Read', 'Write', 'List', 'Tagging']),
      identity('shared', keys.sharedAccessKey, keys.sharedSecretKey, [`Read:${shared}`, `Write:${shared}`, `List:${shared}`]),
    ],
  };
}

/** No role can be assumed by anybody: tenants' sessions are GetFederationToken of their own user. */
function sessions(keys: SeaweedfsKeys): object {
  return {
    sts: { tokenDuration: '1h', maxSessionLength: '36h', issuer: 'leasehold', signingKey: keys.sessions },
    policy: { defaultEffect: 'Deny', storeType: 'memory' },
    roles: [],
    policies: [],
  };
}

/** The one that was remembered, while it is ours or free. */
async function adminPortOf(folder: string, taken: readonly number[], leftover?: ProcessIdentity): Promise<number> {
  const file = join(folder, 'admin-port');
  const isUsable = async (port: number) =>
    !taken.includes(port) &&
    !taken.includes(port + ADMIN_GRPC_OFFSET) &&
    (await isPortFree(port)) &&
    (await isPortFree(port + ADMIN_GRPC_OFFSET));
  const remembered = existsSync(file) ? Number(readFileSync(file, 'utf8')) : Number.NaN;
  if (remembered >= ADMIN_PORTS.first && remembered <= ADMIN_PORTS.last) {
    if ((leftover && isRunning(leftover)) || (await isUsable(remembered))) return remembered;
  }
  const count = ADMIN_PORTS.last - ADMIN_PORTS.first + 1;
  const start = randomInt(count);
  for (let step = 0; step < count; step += 1) {
    const port = ADMIN_PORTS.first + ((start + step) % count);
    if (!(await isUsable(port))) continue;
    writePrivateFile(file, `${port}\n`);
    return port;
  }
  throw new StackError(`no free port for ${SEAWEEDFS} from ${ADMIN_PORTS.first} to ${ADMIN_PORTS.last}: stop something that listens there`);
}

function serverArguments(folder: string, ports: SeaweedfsOptions['ports'], adminPort: number): string[] {
  return [
    ...['mini', `-dir=${dataFolder(folder)}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1'],
    ...[`-s3.port=${ports['']}`, `-s3.port.grpc=${ports['s3-grpc']}`, '-s3.port.iceberg=0', '-s3.port.lance=0'],
    ...[`-master.port=${ports.master}`, `-master.port.grpc=${ports['master-grpc']}`],
    ...[`-volume.port=${ports.volume}`, `-volume.port.grpc=${ports['volume-grpc']}`],
    ...[`-filer.port=${ports.filer}`, `-filer.port.grpc=${ports['filer-grpc']}`],
    ...[`-admin.port=${adminPort}`, `-admin.port.grpc=${adminPort + ADMIN_GRPC_OFFSET}`, '-admin.ui=false'],
    ...[`-s3.config=${identitiesFile(folder)}`, `-s3.iam.config=${sessionsFile(folder)}`, '-s3.iam.readOnly=false'],
    // The default puts them into /tmp, where anybody may be first.
    ...[`-s3.localSocket=${join(folder, 's3.sock')}`, `-filer.localSocket=${join(folder, 'filer.sock')}`],
    ...['-s3.autoCreateBucket=false', '-filer.tusBasePath=', '-webdav=false', '-master.telemetry=false'],
    ...[`-volume.max=${VOLUMES_MAX}`, `-master.volumeSizeLimitMB=${VOLUME_SIZE_MB}`],
  ];
}

function serverEnvironment(folder: string, keys: SeaweedfsKeys): Record<string, string> {
  const pki = pkiFiles(folder);
  const pair = (name: string) => ({ [`WEED_${name}_CERT`]: pki.certificate, [`WEED_${name}_KEY`]: pki.key });
  return Object.assign(
    {
      // Without these volume server and filer answer anybody over HTTP.
      WEED_JWT_SIGNING_KEY: keys.volumeWrite,
      WEED_JWT_SIGNING_READ_KEY: keys.volumeRead,
      WEED_JWT_FILER_SIGNING_KEY: keys.filerWrite,
      WEED_JWT_FILER_SIGNING_READ_KEY: keys.filerRead,
      // Without these gRPC and the master's HTTP do: it hands out tokens for what the volume server guards.
      WEED_GRPC_CA: pki.authority,
      WEED_HTTPS_CLIENT_ENABLED: 'true',
      WEED_HTTPS_CLIENT_CA: pki.authority,
      WEED_ADMIN_PASSWORD: keys.adminPassword,
      // One volume a bucket, not seven.
      WEED_MASTER_VOLUME_GROWTH_COPY_1: '1',
    },
    ...GRPC_PARTS.map((part) => pair(`GRPC_${part}`)),
    ...HTTP_PARTS.map((part) => ({ ...pair(`HTTPS_${part}`), [`WEED_HTTPS_${part}_CA`]: pki.authority })),
    pair('HTTPS_CLIENT'),
  );
}

/** Strangers are refused as soon as identities are loaded; before that the port is closed. */
async function probe(url: string): Promise<void> {
  const answer = await fetch(`${url}/`, { signal: AbortSignal.timeout(2_000) });
  await answer.body?.cancel();
  if (answer.status !== 403) throw new Error(`answered ${answer.status} to a request without a key`);
}
