// What a tenant may do: on a server of its own everything that does not reach the server itself, on a shared one only what names a key.

export interface ServerVersion {
  major: number;
  minor: number;
  text: string;
}

/** Redis says `Redis server v=7.0.15 ...` and `redis_version:7.0.15`, Valkey likewise; Valkey's redis_version is the one it is compatible with. */
export function parseVersion(output: string): ServerVersion | null {
  const match = /(?:\bv=|valkey_version:|redis_version:)((\d+)\.(\d+)\.\d+)/.exec(output);
  return match ? { text: match[1] ?? '', major: Number(match[2]), minor: Number(match[3]) } : null;
}

/** The server is the tenant's alone. What is dangerous only to neighbours, or only to itself, is given back. */
const OWN_GIVEN_BACK = ['keys', 'info', 'flushdb', 'flushall', 'sort', 'role', 'lastsave', 'restore', 'swapdb', 'client|list'];
const OWN_GIVEN_BACK_SINCE_7 = ['sort_ro'];

export function ownServerRules(version: ServerVersion, options: { readOnly: boolean }): string[] {
  const givenBack = [...OWN_GIVEN_BACK, ...(version.major >= 7 ? OWN_GIVEN_BACK_SINCE_7 : [])];
  const rules = ['~*', '&*', '+@all', '-@admin', '-@dangerous', ...givenBack.map((command) => `+${command}`), '-migrate'];
  return options.readOnly ? [...rules, ...READ_ONLY] : rules;
}

/** Space can still be made. */
const READ_ONLY = ['-@write', '+del', '+unlink'];

/**
 * An allow-list, because what a newer server or a module adds must not be the tenants' by itself. Every command of these categories names the
 * keys or channels that it touches, so the prefix holds; those that do not are taken away again.
 */
const SHARED_CATEGORIES = [
  'string',
  'hash',
  'list',
  'set',
  'sortedset',
  'stream',
  'bitmap',
  'hyperloglog',
  'geo',
  'transaction',
  'connection',
  'pubsub',
];
const SHARED_KEY_COMMANDS = [
  'del',
  'unlink',
  'exists',
  'type',
  'touch',
  'rename',
  'renamenx',
  'dump',
  'expire',
  'expireat',
  'pexpire',
  'pexpireat',
  'expiretime',
  'pexpiretime',
  'persist',
  'ttl',
  'pttl',
  'object|encoding',
  'object|freq',
  'object|idletime',
  'object|refcount',
  'memory|usage',
];
const SHARED_CLIENT_COMMANDS = ['setname', 'getname', 'id', 'info', 'reply'];
const SHARED_CLIENT_COMMANDS_SINCE_7_2 = ['setinfo'];

export function sharedServerRules(version: ServerVersion, options: { prefix: string; readOnly: boolean }): string[] {
  const setInfo = version.major > 7 || (version.major === 7 && version.minor >= 2) ? SHARED_CLIENT_COMMANDS_SINCE_7_2 : [];
  const rules = [
    `~${options.prefix}*`,
    `&${options.prefix}*`,
    '-@all',
    ...SHARED_CATEGORIES.map((category) => `+@${category}`),
    // Blocks, kills, pauses and lists everybody; names what others use.
    ...['-@admin', '-@dangerous', '-@scripting', '-client', '-pubsub', '-select', '-copy', '-wait'],
    ...SHARED_KEY_COMMANDS.map((command) => `+${command}`),
    ...[...SHARED_CLIENT_COMMANDS, ...setInfo].map((command) => `+client|${command}`),
    '+acl|whoami',
  ];
  return options.readOnly ? [...rules, ...READ_ONLY] : rules;
}

/** What the start-up probe, asked of the server itself, must find refused for a tenant of a shared server. */
export const SHARED_REFUSED: readonly (readonly string[])[] = [
  ['SCAN', '0'],
  ['RANDOMKEY'],
  ['DBSIZE'],
  ['KEYS', '*'],
  ['EVAL', "redis.call('scan','0')", '0'],
  ['EVAL', 'while true do end', '0'],
  ['FUNCTION', 'LIST'],
  ['FUNCTION', 'FLUSH'],
  ['SCRIPT', 'FLUSH'],
  ['CLIENT', 'LIST'],
  ['CLIENT', 'KILL', 'TYPE', 'normal'],
  ['CLIENT', 'TRACKING', 'ON', 'BCAST'],
  ['CLIENT', 'PAUSE', '1000'],
  ['ACL', 'LIST'],
  ['ACL', 'SETUSER', 'x'],
  ['SELECT', '1'],
  ['MOVE', 'k', '1'],
  ['COPY', 'k', 'k2', 'DB', '1'],
  ['SWAPDB', '0', '1'],
  ['FLUSHALL'],
  ['MIGRATE', 'h', '1', 'k', '0', '10'],
  ['PUBSUB', 'CHANNELS'],
  ['PSUBSCRIBE', '__keyspace@0__:*'],
  ['PSUBSCRIBE', '*'],
  ['MONITOR'],
  ['INFO'],
  ['MEMORY', 'STATS'],
  ['CONFIG', 'GET', '*'],
  ['CONFIG', 'SET', 'maxmemory', '0'],
  ['DEBUG', 'SLEEP', '0'],
  ['MODULE', 'LIST'],
  ['REPLICAOF', 'h', '1'],
  ['SHUTDOWN'],
  ['SAVE'],
  ['LATENCY', 'LATEST'],
  ['SLOWLOG', 'GET'],
  ['WAIT', '1', '1'],
  ['GET', 'of-another'],
  ['SET', 'of-another', '1'],
  ['PUBLISH', 'of-another', '1'],
  ['SORT', 'of-another'],
];
