import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { encodeAccount, encodeOperator } from '@nats-io/jwt';
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

function placeOf(home: string) {
  const folder = join(home, NATS);
  return { folder, accounts: join(folder, 'accounts'), store: join(folder, 'store'), configuration: join(folder, 'nats.conf') };
}

/** Beside the server's folder, not in it: the server runs as another user where it can. */
function loadKeys(home: string): NatsKeys {
  const file = join(home, 'nats-keys.json');
  if (existsSync(file)) {
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as NatsKeys;
    } catch {
      throw new StackError(`${file} is not JSON: restore it from a backup; without it no queue can be changed or deleted`);
    }
  }
  const keys = newKeys();
  writePrivateFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

function newKeys(): NatsKeys {
  return {
    operator: Nkey.random('operator').seed,
    operatorSigning: Nkey.random('operator').seed,
    systemAccount: Nkey.random('account').seed,
    systemSigning: Nkey.random('account').seed,
  };
}

/** For a server that somebody else configures: its tokens, and the seeds for its admin url. The operator's own seed is in neither. */
export async function newNatsServerKeys(): Promise<Record<string, string>> {
  const keys = newKeys();
  const { operatorToken, systemAccount, systemToken } = await tokens(keys);
  return {
    NATS_OPERATOR_TOKEN: operatorToken,
    NATS_OPERATOR_SIGNING_SEED: keys.operatorSigning,
    NATS_SYSTEM_ACCOUNT: systemAccount,
    NATS_SYSTEM_TOKEN: systemToken,
    NATS_SYSTEM_SIGNING_SEED: keys.systemSigning,
  };
}

async function configuration({ home, port, maxFileStore = '64TB' }: NatsOptions): Promise<string> {
  const { operatorToken, systemToken, systemAccount } = await tokens(loadKeys(home));
  const { folder, accounts, store } = placeOf(home);
  return [
    `listen: "127.0.0.1:${port}"`,
    'server_name: "leasehold"',
    `operator: "${operatorToken}"`,
    `system_account: "${systemAccount}"`,
    // Deleting renames by default, and the name would stay on the disk. The timeout is for asking other servers, of which there are none.
    `resolver: { type: full, dir: ${JSON.stringify(accounts)}, allow_delete: true, hard_delete: true, interval: "10m", timeout: "250ms" }`,
    `resolver_preload: { "${systemAccount}": "${systemToken}" }`,
    // Acknowledged means on disk.
    `jetstream: { store_dir: ${JSON.stringify(store)}, max_memory_store: 64MB, max_file_store: ${maxFileStore}, sync_interval: always,`,
    // Message ids are remembered in memory: not longer than clients ask for unasked.
    '  limits: { duplicate_window: "2m" } }',
    'max_payload: 1MB',
    // Held in memory for a client that does not read; the default is four times as much, for each connection of each tenant.
    'max_pending: 16MB',
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
  return {
    systemAccount,
    operatorToken: await encodeOperator('leasehold', operator, operatorClaims),
    systemToken: await encodeAccount('SYS', systemAccount, systemClaims, { signer: operatorSigning }),
  };
}

/** A limit that is left out is zero, and the account would refuse its own user. */
const UNLIMITED = { conn: -1, leaf: -1, subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true };

/** A NATS server speaks first. */
function greeting(port: number): Promise<void> {
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
