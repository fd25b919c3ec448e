// Ways to the neighbour: with one's own credentials, with none, with stolen names, and with messages no driver sends.
import type { Document } from 'mongodb';
import { Binary } from 'mongodb';
import type { Attack } from '../attack';
import { nestedRequest } from './raw';
import { as, pidOf, refused, SECRET, stranger, tellsNothing, unharmed, type World } from './world';

const UNAUTHENTICATED = /requires authentication/;
const FAILED = /Authentication failed|Unsupported authentication mechanism/;

const NEED_LOGIN: readonly Document[] = [
  { find: 'secrets', filter: {} },
  { insert: 'secrets', documents: [{ planted: true }] },
  { aggregate: 'secrets', pipeline: [], cursor: {} },
  { listDatabases: 1 },
  { listCollections: 1 },
  { createUser: 'planted', pwd: 'planted', roles: [] },
  { updateUser: 'leasehold', pwd: 'planted' },
  { dropDatabase: 1 },
  { usersInfo: 1 },
  { getLog: 'global' },
  { serverStatus: 1 },
  { hostInfo: 1 },
  { debugError: 'panic' },
];

function withoutLogin({ victim }: World): Attack[] {
  return NEED_LOGIN.map((command) => ({
    name: `a stranger sends ${Object.keys(command)[0]}`,
    run: () =>
      stranger(victim.port, (connection) => refused(() => connection.command({ ...command, $db: victim.database }), UNAUTHENTICATED)),
  }));
}

function withWrongLogin({ attacker, victim }: World): Attack[] {
  const logIn = (name: string, login: { user: string; password: string; database: string }): Attack => ({
    name: `log in at the neighbour ${name}`,
    run: () => stranger(victim.port, (connection) => refused(() => connection.logIn(login), FAILED)),
  });
  const plain = (user: string, password: string) => ({
    saslStart: 1,
    mechanism: 'PLAIN',
    payload: new Binary(Buffer.from(`\0${user}\0${password}`)),
  });
  return [
    logIn("with one's own credential", attacker),
    logIn("with one's own, in its database", { ...attacker, database: victim.database }),
    logIn("as the neighbour, with one's own password", { ...victim, password: attacker.password }),
    logIn('as the platform, without a password', { user: 'leasehold', password: '', database: 'admin' }),
    logIn("as the platform, with one's own password", { user: 'leasehold', password: attacker.password, database: 'admin' }),
    logIn('with the right credential, in another database', { ...victim, database: 'admin' }),
    {
      name: 'PLAIN at the neighbour, right password and all',
      run: () =>
        stranger(victim.port, (connection) =>
          refused(() => connection.command({ ...plain(victim.user, victim.password), $db: victim.database }), FAILED),
        ),
    },
    {
      name: 'PLAIN in the old form of a request, then a query',
      run: () =>
        stranger(victim.port, async (connection) => {
          await connection.query(victim.database, plain(victim.user, victim.password));
          return await refused(() => connection.command({ find: 'secrets', filter: {}, $db: victim.database }), UNAUTHENTICATED);
        }),
    },
    {
      name: 'a query after a login that was begun and not finished',
      run: () =>
        stranger(victim.port, async (connection) => {
          const payload = new Binary(Buffer.from(`n,,n=${victim.user},r=abcdefgh`));
          await connection.command({ saslStart: 1, mechanism: 'SCRAM-SHA-256', payload, $db: victim.database });
          await connection.ask({ saslContinue: 1, conversationId: 1, payload: new Binary(Buffer.alloc(0)), $db: victim.database });
          return await refused(() => connection.command({ find: 'secrets', filter: {}, $db: victim.database }), UNAUTHENTICATED);
        }),
    },
  ];
}

function acrossProcesses(world: World): Attack[] {
  const { attacker, victim } = world;
  return [
    {
      name: 'the neighbour among the databases',
      run: () =>
        as(attacker, async (connection) => tellsNothing(await connection.command({ listDatabases: 1, $db: 'admin' }), [victim.database])),
    },
    {
      name: "the neighbour's database by its name",
      run: () =>
        as(attacker, async (connection) =>
          tellsNothing(await connection.command({ find: 'secrets', filter: {}, $db: victim.database }), [SECRET]),
        ),
    },
    {
      name: "the neighbour's user, made in one's own process",
      run: async () => {
        await as(attacker, async (connection) => {
          await connection.command({ createUser: victim.user, pwd: 'planted', roles: [], $db: victim.database });
        });
        return await stranger(victim.port, (connection) => refused(() => connection.logIn({ ...victim, password: 'planted' }), FAILED));
      },
    },
    {
      name: "roles on the neighbour's database",
      run: () =>
        as(attacker, (connection) =>
          refused(
            () =>
              connection.command({
                createUser: 'a',
                pwd: 'a',
                roles: [{ role: 'readWrite', db: victim.database }],
                $db: attacker.database,
              }),
            /not implemented|not supported/i,
          ),
        ),
    },
    {
      name: 'one large message of a stranger',
      run: async () => {
        const pid = await pidOf(world, victim);
        await stranger(victim.port, (connection) => connection.spill(nestedRequest(5_000_000)));
        return await unharmed(world, victim, pid);
      },
    },
    {
      name: 'many large messages of strangers at once',
      run: async () => {
        const pid = await pidOf(world, victim);
        const flood = Buffer.alloc(48_000_000);
        flood.writeInt32LE(flood.length, 0);
        flood.writeInt32LE(2013, 12);
        await Promise.all(Array.from({ length: 12 }, () => stranger(victim.port, (connection) => connection.spill(flood, 1_500))));
        return await unharmed(world, victim, pid);
      },
    },
    {
      name: 'no message at all, but its length',
      run: async () => {
        const pid = await pidOf(world, victim);
        const header = Buffer.from('ffffffff000000000000000000000000', 'hex');
        await stranger(victim.port, (connection) => connection.spill(header, 1_000));
        return await unharmed(world, victim, pid);
      },
    },
  ];
}

export function reachAttacks(world: World): Attack[] {
  return [...withoutLogin(world), ...withWrongLogin(world), ...acrossProcesses(world)];
}
