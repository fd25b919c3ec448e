import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt';
import { EVENT_STREAM, EVENT_SUBJECTS } from '../../shared/events';
import { formatNatsAdminUrl, Nkey } from '../../shared/queueprovider';
import { StackError } from '../errors';
import { writePrivateFile } from '../paths';
import { userBelow } from '../postgres-place';
import type { ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import { serverDefinition } from './supervised';

export const NATS = 'nats';

export interface NatsOptions {
  home: string;
  binary: string;
  port: number;
  leftover?: ProcessIdentity;
  /** What the storage of all accounts together may come to. Plans promise more than disks have; a disk is watched by whoever owns it. */
  maxFileStore?: string;
}

/** Seeds. Who has them is every tenant's master; the server itself is given public keys and signed tokens alone. */
interface NatsKeys {
  operator: string;
  /** Signs accounts; can be replaced without a new operator. */
  operatorSigning: string;
  systemAccount: string;
  systemSigning: string;
  /** The platform's own account: its events, which no tenant's account has a way to. */
  platformAccount: string;
  platformSigning: string;
  relayUser: string;
  readerUser: string;
}

/** The tenants' queue server: operator mode, so that accounts are signed by the platform and nothing in the configuration names a tenant. */
export function natsDefinition(options: NatsOptions): ServiceDefinition {
  const { home, binary, port, leftover } = options;
  const place = placeOf(home);
  return serverDefinition({
    name: NATS,
    port,
    url: `nats://127.0.0.1:${port}`,
    logFile: join(home, 'logs', `${NATS}.log`),
    leftover,
    probe: () => greeting(port),
    async prepare() {
      for (const folder of [place.folder, place.accounts, place.store]) mkdirSync(folder, { recursive: true, mode: 0o700 });
      writePrivateFile(place.configuration, await configuration(options));
      writePrivateFile(join(home, READER_CREDS), await readerCreds(loadKeys(home)));
      const user = userBelow(home);
      if (user) for (const path of Object.values(place)) chownSync(path, user.uid, user.gid);
      return {
        command: binary,
        args: ['--config', place.configuration],
        env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
        cwd: place.folder,
        ...user,
      };
    },
  });
}

/** What the worker reaches it by; a secret. */
export function natsAdminUrl({ home, port }: Pick<NatsOptions, 'home' | 'port'>): string {
  const keys = loadKeys(home);
  const { accounts, store } = placeOf(home);
  return formatNatsAdminUrl({
    server: `nats://127.0.0.1:${port}`,
    operatorKey: Nkey.fromSeed('operator', keys.operatorSigning),
    systemKey: Nkey.fromSeed('account', keys.systemSigning),
    systemAccount: Nkey.fromSeed('account', keys.systemAccount).getPublicKey(),
    storeDirectory: store,
    accountDirectory: accounts,
  });
}

/** What the relay logs in with; a secret. */
export async function natsEventsEnvironment({ home, port }: Pick<NatsOptions, 'home' | 'port'>): Promise<Record<string, string>> {
  return { LEASEHOLD_EVENTS_NATS_URL: `nats://127.0.0.1:${port}`, LEASEHOLD_EVENTS_NATS_CREDS: await relayCreds(loadKeys(home)) };
}

function placeOf(home: string) {
  const folder = join(home, NATS);
  return { folder, accounts: join(folder, 'accounts'), store: join(folder, 'store'), configuration: join(folder, 'nats.conf') };
}

/** Beside the server's folder, not in it: the server runs as another user where it can. */
function loadKeys(home: string): NatsKeys {
  const file = join(home, 'nats-keys.json');
  const stored = existsSync(file) ? parseKeys(file) : {};
  const keys = { ...newKeys(), ...stored };
  if (Object.keys(keys).some((name) => !(name in stored))) writePrivateFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

function parseKeys(file: string): Partial<NatsKeys> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<NatsKeys>;
  } catch {
    throw new StackError(`${file} is not JSON: restore it from a backup; without it no queue can be changed or deleted`);
  }
}

function newKeys(): NatsKeys {
  return {
    operator: Nkey.random('operator').seed,
    operatorSigning: Nkey.random('operator').seed,
    systemAccount: Nkey.random('account').seed,
    systemSigning: Nkey.random('account').seed,
    platformAccount: Nkey.random('account').seed,
    platformSigning: Nkey.random('account').seed,
    relayUser: Nkey.random('user').seed,
    readerUser: Nkey.random('user').seed,
  };
}

/** For a server that somebody else configures: its tokens, and the seeds for its admin url. The operator's own seed is in neither. */
export async function newNatsServerKeys(): Promise<Record<string, string>> {
  const keys = newKeys();
  const { operatorToken, systemAccount, systemToken, platformAccount, platformToken } = await tokens(keys);
  return {
    NATS_OPERATOR_TOKEN: operatorToken,
    NATS_OPERATOR_SIGNING_SEED: keys.operatorSigning,
    NATS_SYSTEM_ACCOUNT: systemAccount,
    NATS_SYSTEM_TOKEN: systemToken,
    NATS_SYSTEM_SIGNING_SEED: keys.systemSigning,
    NATS_PLATFORM_ACCOUNT: platformAccount,
    NATS_PLATFORM_TOKEN: platformToken,
    LEASEHOLD_EVENTS_NATS_CREDS: await relayCreds(keys),
  };
}

async function configuration({ home, port, maxFileStore = '64TB' }: NatsOptions): Promise<string> {
  const { operatorToken, systemToken, systemAccount, platformToken, platformAccount } = await tokens(loadKeys(home));
  const { folder, accounts, store } = placeOf(home);
  return [
    `listen: "127.0.0.1:${port}"`,
    'server_name: "leasehold"',
    `operator: "${operatorToken}"`,
    `system_account: "${systemAccount}"`,
    // Deleting renames by default, and the name would stay on the disk. The timeout is for asking other servers, of which there are none.
    `resolver: { type: full, dir: ${JSON.stringify(accounts)}, allow_delete: true, hard_delete: true, interval: "10m", timeout: "250ms" }`,
    `resolver_preload: { "${systemAccount}": "${systemToken}", "${platformAccount}": "${platformToken}" }`,
    // Acknowledged means on disk.
    `jetstream: { store_dir: ${JSON.stringify(store)}, max_memory_store: 64MB, max_file_store: ${maxFileStore}, sync_interval: always,`,
    // Message ids are remembered in memory: not longer than clients ask for unasked.
    '  limits: { duplicate_window: "2m" } }',
    'max_payload: 1MB',
    // Held in memory for a client that does not read; the default is four times as much, for each connection of each tenant.
    'max_pending: 16MB',
    // A signature in JavaScript takes a busy machine long; the default is 2 s, and then the client is turned away.
    'authorization: { timeout: 15 }',
    'max_connections: 20000',
    'logtime_utc: true',
    // A line for each thing that is refused: without an end, any tenant could fill the disk with them.
    `log_file: ${JSON.stringify(join(folder, 'nats.log'))}`,
    'logfile_size_limit: 5MB',
    'logfile_max_num: 4',
    '',
  ].join('\n');
}

async function tokens(keys: NatsKeys) {
  const operator = Nkey.fromSeed('operator', keys.operator);
  const operatorSigning = Nkey.fromSeed('operator', keys.operatorSigning);
  const systemAccount = Nkey.fromSeed('account', keys.systemAccount).getPublicKey();
  const systemSigning = Nkey.fromSeed('account', keys.systemSigning);
  const operatorClaims = {
    signing_keys: [operatorSigning.getPublicKey()],
    system_account: systemAccount,
    // An account's own key signs nothing: there are only signing keys, each with its scope.
    strict_signing_key_usage: true,
  };
  const systemClaims = { limits: UNLIMITED, signing_keys: [systemSigning.getPublicKey()] };
  const platformAccount = Nkey.fromSeed('account', keys.platformAccount).getPublicKey();
  const platformClaims = { limits: PLATFORM_LIMITS, signing_keys: [Nkey.fromSeed('account', keys.platformSigning).getPublicKey()] };
  return {
    systemAccount,
    platformAccount,
    platformToken: await encodeAccount('leasehold-platform', platformAccount, platformClaims, { signer: operatorSigning }),
    operatorToken: await encodeOperator('leasehold', operator, operatorClaims),
    systemToken: await encodeAccount('SYS', systemAccount, systemClaims, { signer: operatorSigning }),
  };
}

/** A limit that is left out is zero, and the account would refuse its own user. */
const UNLIMITED = { conn: -1, leaf: -1, subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true };

/** One stream of files, and whoever reads it; nothing comes in from other accounts or goes out to them. */
const PLATFORM_LIMITS = { ...UNLIMITED, leaf: 0, imports: 0, exports: 0, mem_storage: 0, disk_storage: -1, streams: 4, consumer: -1 };

const REPLIES = { allow: ['_INBOX.>'] };

/** It may make the stream and add to it; there is no way to delete by it. */
const RELAY = {
  pub: { allow: [EVENT_SUBJECTS, ...['INFO', 'CREATE', 'UPDATE'].map((verb) => `$JS.API.STREAM.${verb}.${EVENT_STREAM}`)] },
  sub: REPLIES,
  allowed_connection_types: ['STANDARD'],
} satisfies Parameters<typeof encodeUser>[3];

/** For an operator's consumers: it reads, and adds nothing. */
const READER = {
  pub: {
    allow: ['$JS.API.INFO', `$JS.API.STREAM.INFO.${EVENT_STREAM}`, '$JS.API.STREAM.NAMES', '$JS.API.CONSUMER.>', '$JS.ACK.>', '$JS.FC.>'],
  },
  sub: { allow: ['_INBOX.>', EVENT_SUBJECTS] },
} satisfies Parameters<typeof encodeUser>[3];

const READER_CREDS = 'events-reader.creds';

/** On one line, for an environment file. */
async function relayCreds(keys: NatsKeys): Promise<string> {
  return `${await platformUser(keys, 'relay', keys.relayUser, RELAY)}:${keys.relayUser}`;
}

async function readerCreds(keys: NatsKeys): Promise<string> {
  const jwt = await platformUser(keys, 'reader', keys.readerUser, READER);
  return new TextDecoder().decode(fmtCreds(jwt, Nkey.fromSeed('user', keys.readerUser)));
}

function platformUser(keys: NatsKeys, name: string, seed: string, permissions: Parameters<typeof encodeUser>[3]): Promise<string> {
  const account = Nkey.fromSeed('account', keys.platformAccount).getPublicKey();
  const signer = Nkey.fromSeed('account', keys.platformSigning);
  return encodeUser(name, Nkey.fromSeed('user', seed), account, permissions, { signer });
}

/** A NATS server speaks first. */
export function greeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(2_000, () => fail(new Error('no greeting')));
    socket.once('error', fail);
    socket.once('data', (chunk: Buffer) => {
      socket.destroy();
      if (chunk.toString('utf8').startsWith('INFO ')) resolve();
      else reject(new Error('another program answers'));
    });
  });
}
