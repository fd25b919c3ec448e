// What the tenant of a process, who can do everything inside it, tries on the machine around it.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Document } from 'mongodb';
import { storagePassword } from '../../../activities/mongodb';
import { tenantsAdminUrl } from '../../harness/servers';
import type { Attack } from '../attack';
import { RawConnection } from './raw';
import { as, ask, pidOf, refused, tellsNothing, unharmed, type World } from './world';

/** Commands of MongoDB that would reach the server, its files or other servers: FerretDB has none of them, and is to stay that way. */
const ADMINISTRATION: readonly Document[] = [
  { shutdown: 1 },
  { setParameter: 1, logLevel: 5 },
  { eval: 'sleep(1)' },
  { $eval: 'sleep(1)' },
  { mapReduce: 'c', map: 'x', reduce: 'x', out: 'y' },
  { copydb: 1, fromhost: '127.0.0.1', fromdb: 'x', todb: 'y' },
  { clone: '127.0.0.1' },
  { cloneCollection: 'x.y', from: '127.0.0.1' },
  { replSetInitiate: {} },
  { addShard: '127.0.0.1' },
  { fsync: 1, lock: true },
  { logRotate: 1 },
  { applyOps: [] },
  { profile: 2 },
  { configureFailPoint: 'x', mode: 'alwaysOn' },
  { grantRolesToUser: 'x', roles: ['root'] },
  { createRole: 'x', privileges: [], roles: [] },
  { aggregate: 'c', pipeline: [{ $out: 'x' }], cursor: {} },
  { aggregate: 'c', pipeline: [{ $merge: { into: { db: 'x', coll: 'y' } } }], cursor: {} },
  { aggregate: 'c', pipeline: [{ $lookup: { from: 'x', localField: 'a', foreignField: 'b', as: 'c' } }], cursor: {} },
  { aggregate: 'c', pipeline: [{ $project: { x: { $function: { body: 'x', args: [], lang: 'js' } } } }], cursor: {} },
  { find: 'c', filter: { $where: 'sleep(1)' } },
];

const NOT_THERE = /no such command|not (yet )?(implemented|supported)|unknown|is not allowed|not a valid|Invalid/i;

function administration({ attacker }: World): Attack[] {
  return ADMINISTRATION.map((command) => ({
    name: `command ${JSON.stringify(command).slice(0, 70)}`,
    run: () =>
      as(attacker, async (connection) => {
        await connection.command({ insert: 'c', documents: [{ a: 1 }], $db: attacker.database });
        return await refused(() => connection.command({ ...command, $db: attacker.database }), NOT_THERE);
      }),
  }));
}

const DATABASE_NAMES = [
  '../x',
  '..',
  '.',
  '',
  'a/b',
  '/etc/passwd',
  '..%2fx',
  'x\0y',
  'x?_pragma=max_page_count(99999)',
  'x?mode=memory',
  'file:x',
  'x#',
  'a b',
  '_ferretdb_x',
];

/** Names and fields that would be SQL; the path is one that the process might write to. */
function sqlNames(file: string): Document[] {
  const attach = `; ATTACH '${file}' AS z; CREATE TABLE z.t(a); --`;
  return [
    { insert: `x" (a)${attach}`, documents: [{ a: 1 }] },
    { create: `x" (a)${attach}` },
    { create: `x' (a)${attach}` },
    { createIndexes: 'c', indexes: [{ name: `i" ON c(a)${attach}`, key: { a: 1 } }] },
    { createIndexes: 'c', indexes: [{ name: 'i1', key: { [`a")${attach}`]: 1 } }] },
    { createIndexes: 'c', indexes: [{ name: 'i2', key: { [`a')${attach}`]: 1 } }] },
    { createIndexes: 'c', indexes: [{ name: 'i3', key: { [`a.b"${attach}`]: 1 } }] },
    { renameCollection: 'T.c', to: `T.x" (a)${attach}` },
    { find: 'c', filter: {}, comment: `*/ ${attach} /*` },
    { find: 'c', filter: { $comment: `**//${attach}` } },
    { find: 'c', filter: { [`a') ${attach}`]: 1 } },
    { find: 'c', filter: { _id: `x'${attach}` } },
    { update: 'c', updates: [{ q: { [`a"${attach}`]: 1 }, u: { $set: { [`b'${attach}`]: 1 } }, upsert: true }] },
    { drop: `x"${attach}` },
  ];
}

function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => lstatSync(path).isFile());
}

const FILE_OF_A_DATABASE = /\/[A-Za-z0-9_-]+\.sqlite(-wal|-shm|-journal)?$/;

function names(world: World): Attack[] {
  const { attacker, harness } = world;
  return [
    ...DATABASE_NAMES.map((name) => ({
      name: `a database named ${JSON.stringify(name)}`,
      run: () =>
        as(attacker, (connection) =>
          refused(() => connection.command({ insert: 'c', documents: [{ a: 1 }], $db: name }), /Invalid namespace|invalid/i),
        ),
    })),
    {
      name: 'SQL in the names of collections, indexes and fields',
      run: async () => {
        const folder = await harness.host.directoryOf(attacker.request.objectName);
        const beside = new Set(readdirSync(dirname(folder)));
        await as(attacker, async (connection) => {
          for (const command of [...sqlNames(join(folder, 'pwned')), ...sqlNames('pwned'), ...sqlNames('/tmp/leasehold-pwned')]) {
            await ask(connection, {
              ...JSON.parse(JSON.stringify(command).replaceAll('T.', `${attacker.database}.`)),
              $db: attacker.database,
            });
          }
        });
        const strange = filesOf(folder).filter((path) => !FILE_OF_A_DATABASE.test(path));
        const spilled = [...readdirSync(dirname(folder)), ...readdirSync('/tmp')].filter((name) => /pwned/.test(name) && !beside.has(name));
        return strange.length + spilled.length === 0 ? 'refused' : { breached: `made ${[...strange, ...spilled].join(', ')}` };
      },
    },
    {
      name: 'a collection whose name climbs out',
      run: () =>
        as(attacker, (connection) =>
          refused(() => connection.command({ create: '../../../../tmp/x', $db: attacker.database }), /Invalid collection name/),
        ),
    },
  ];
}

/** Everything that the server says about itself. */
const CONFESSIONS: readonly Document[] = [
  { getCmdLineOpts: 1 },
  { getParameter: '*' },
  { getLog: 'global' },
  { getLog: 'startupWarnings' },
  { serverStatus: 1 },
  { hostInfo: 1 },
  { buildInfo: 1 },
  { connectionStatus: 1 },
  { whatsmyuri: 1 },
  { currentOp: 1 },
  { listCommands: 1 },
  { hello: 1 },
  { explain: { find: 'c', filter: { a: 1 } } },
  { dbStats: 1 },
  { collStats: 'c' },
  { validate: 'c' },
  { debugError: 'lazy' },
];

function knowledge(world: World): Attack[] {
  const { attacker, harness, victim, storage } = world;
  const { objectName } = attacker.request;
  return [
    {
      name: 'secrets in what the server says of itself',
      run: () =>
        as(attacker, async (connection) => {
          const answers = [];
          for (const command of CONFESSIONS) answers.push(await ask(connection, { ...command, $db: 'admin' }));
          const passwords = [harness.host.secretFor(objectName, 'mongodb-platform'), storagePassword(harness.host, objectName)];
          return tellsNothing(answers, [
            ...passwords,
            attacker.password,
            victim.database,
            new URL(tenantsAdminUrl()).password,
            'postgres://',
          ]);
        }),
    },
    {
      name: 'a second port: metrics, profiles, debugging',
      run: async () => {
        const pid = await pidOf(world, attacker);
        const listening = listeningPorts(pid ?? 0);
        return listening.join() === String(attacker.port) ? 'refused' : { breached: `listens on ${listening.join(', ')}` };
      },
    },
    {
      name: 'secrets among the arguments of the process',
      run: async () => {
        const pid = await pidOf(world, attacker);
        const passwords = [harness.host.secretFor(objectName, 'mongodb-platform'), storagePassword(harness.host, objectName)];
        return tellsNothing(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), [...passwords, attacker.password]);
      },
    },
    {
      name: 'a panic, to end the process',
      run: async () => {
        const pid = await pidOf(world, attacker);
        await as(attacker, (connection) => ask(connection, { debugError: 'panic', $db: 'admin' }));
        return await unharmed(world, attacker, pid);
      },
    },
    ...(storage === 'postgres' ? behindPostgres(world) : []),
  ];
}

/** With a finished proof but an unfinished login, FerretDB goes to Postgres under the name that the user has here, without a password. */
function behindPostgres({ attacker, victim }: World): Attack[] {
  const names = { 'the superuser of Postgres': new URL(tenantsAdminUrl()).username, 'the login of the neighbour': `${victim.database}_1` };
  const asUser = Object.entries(names).map(
    ([whom, user]): Attack => ({
      name: `in Postgres as ${whom}`,
      run: async () => {
        await as(attacker, (connection) => ask(connection, { createUser: user, pwd: 'planted', roles: [], $db: attacker.database }));
        const connection = await RawConnection.open(attacker.port);
        try {
          await connection.logIn({ user, password: 'planted', database: attacker.database }, { leaveOpen: true });
          const create = { create: 'planted', $db: 'planted' };
          return await refused(() => connection.command(create), /failed to connect|password authentication failed|no pg_hba|SASL/i);
        } finally {
          connection.close();
        }
      },
    }),
  );
  const catalogues = ['pg_catalog', 'information_schema', 'pg_toast'].map(
    (schema): Attack => ({
      name: `the catalogue ${schema} as a database`,
      run: () =>
        as(attacker, async (connection) => {
          const read = await ask(connection, { find: 'pg_authid', filter: {}, $db: schema });
          if (read.cursor?.firstBatch?.length > 0) return { breached: 'read a catalogue' };
          return await refused(
            () => connection.command({ create: 'planted', $db: schema }),
            /permission denied|reserved|unacceptable|Invalid/i,
          );
        }),
    }),
  );
  return [...asUser, ...catalogues];
}

function listeningPorts(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const LISTEN = '0A';
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? ''))
      .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)),
  );
}

export function insideAttacks(world: World): Attack[] {
  return [...administration(world), ...names(world), ...knowledge(world)];
}
