// What can be said without a server: the commands for a real one, and the process that stands in for it.
import { describe, expect, test } from '@jest/globals';
import { loginName, loginVersion } from '../names';
import { chooseEngine, processSpec, type SpecInput } from './ferretdb/spec';
import * as commands from './mongod/commands';

const NAME = `lhabcdefgh_${'a'.repeat(24)}`;

describe('names', () => {
  test('a user is of its object alone', () => {
    expect(loginVersion(loginName(NAME, 12), NAME)).toBe(12);
    expect(loginVersion(`lhabcdefgh_${'b'.repeat(24)}_1`, NAME)).toBeNull();
    expect(loginVersion(`${NAME}_0`, NAME)).toBeNull();
    expect(loginVersion(`${NAME}_1x`, NAME)).toBeNull();
    expect(() => loginName('admin', 1)).toThrow("not a login's name");
    expect(() => loginName(NAME, 0)).toThrow("not a login's name");
  });
});

describe('commands for a MongoDB server', () => {
  const open = { cut: false, readOnly: false };

  test('a user may read and write its own database, and nothing else', () => {
    expect(commands.createUser(NAME, 1, 'secret', open)).toEqual({
      createUser: `${NAME}_1`,
      pwd: 'secret',
      mechanisms: ['SCRAM-SHA-256'],
      roles: [{ role: 'readWrite', db: NAME }],
      authenticationRestrictions: [],
      customData: { leasehold: open },
    });
  });

  test('a cut user has no right and no address to come from; its password stays', () => {
    const command = commands.setAccess(NAME, 1, { cut: true, readOnly: false });
    expect(command).toMatchObject({ updateUser: `${NAME}_1`, roles: [], authenticationRestrictions: [{ clientSource: ['192.0.2.1/32'] }] });
    expect(command).not.toHaveProperty('pwd');
    expect(commands.rolesOf(NAME, { cut: true, readOnly: true })).toEqual([]);
  });

  test('a read-only user reads', () => {
    expect(commands.rolesOf(NAME, { cut: false, readOnly: true })).toEqual([{ role: 'read', db: NAME }]);
  });

  test('what was marked is read back; a user without marks is open', () => {
    for (const marks of [open, { cut: true, readOnly: false }, { cut: true, readOnly: true }])
      expect(commands.marksOf(commands.setAccess(NAME, 1, marks))).toEqual(marks);
    for (const user of [{}, { customData: null }, { customData: { leasehold: 'x' } }]) expect(commands.marksOf(user)).toEqual(open);
  });

  test('sessions are ended of exactly these users', () => {
    expect(commands.killSessions(NAME, [1, 2])).toEqual({
      killAllSessions: [
        { user: `${NAME}_1`, db: NAME },
        { user: `${NAME}_2`, db: NAME },
      ],
    });
  });

  test('a listing asks for names of this installation', () => {
    expect(commands.databasesOfInstallation('lhabcdefgh_')).toMatchObject({ filter: { name: { $regex: '^lhabcdefgh_' } }, nameOnly: true });
    expect(commands.usersOfInstallation('lhabcdefgh_')).toMatchObject({
      usersInfo: { forAllDBs: true },
      filter: { db: { $regex: '^lhabcdefgh_' } },
    });
  });
});

describe('the process', () => {
  const input = (over: Partial<SpecInput>): SpecInput => ({
    objectName: NAME,
    binary: '/opt/ferretdb',
    directory: '/srv/a folder',
    bindAddress: '10.0.0.5',
    port: 18_000,
    state: { engine: 'sqlite', readOnly: false, limits: { storageMb: 5 } },
    limitsFile: '/srv/limits.json',
    mode: 'public',
    platformPassword: 'platform-secret',
    postgresUrl: null,
    ...over,
  });
  const postgres = { engine: 'postgres' as const, limits: { connections: 5 }, readOnly: false };
  const inPostgres = { postgresUrl: `postgres://${NAME}_1:storage-secret@127.0.0.1:5432/${NAME}`, state: postgres };

  test('small plans live in SQLite, the others in Postgres where there is one', () => {
    const both = { sqliteMaxMb: 10, hasPostgres: true };
    expect(chooseEngine({ storageMb: 10 }, both)).toBe('sqlite');
    expect(chooseEngine({ storageMb: 11 }, both)).toBe('postgres');
    expect(chooseEngine({ storageMb: -1 }, both)).toBe('postgres');
    expect(chooseEngine({}, both)).toBe('postgres');
    expect(chooseEngine({}, { ...both, hasPostgres: false })).toBe('sqlite');
  });

  test('no secret is among its arguments', () => {
    for (const spec of [processSpec(input({})), processSpec(input(inPostgres))]) {
      expect(spec.args.join(' ')).not.toMatch(/secret/);
      expect(Object.values(spec.environment).join(' ')).toMatch(/platform-secret/);
    }
  });

  test('SQLite is capped in pages and in bytes of a file', () => {
    const spec = processSpec(input({}));
    expect(spec.args.join(' ')).toContain('--sqlite-url=file:/srv/a%20folder/?_pragma=max_page_count(1280)&');
    expect(spec.maxFileBytes).toBe(26 * 1024 * 1024);
    const unlimited = processSpec(input({ state: { engine: 'sqlite', readOnly: false, limits: {} } }));
    expect(unlimited.args.join(' ')).not.toContain('max_page_count');
    expect(unlimited.maxFileBytes).toBeUndefined();
  });

  test('nothing but its one port is listened on, and nothing is told to anybody', () => {
    expect(processSpec(input({})).args).toEqual(
      expect.arrayContaining(['--listen-addr=10.0.0.5:18000', '--debug-addr=-', '--telemetry=disable', '--test-enable-new-auth']),
    );
  });

  test('while its users are changed it is out of reach, writable and uncounted', () => {
    const spec = processSpec(input({ mode: 'private', state: { engine: 'sqlite', readOnly: true, limits: { storageMb: 5 } } }));
    expect(spec.args).toContain('--listen-addr=127.0.0.2:18000');
    expect(spec.args.join(' ')).not.toContain('query_only');
    expect(spec.environment).not.toHaveProperty('LEASEHOLD_LIMITS_FILE');
  });

  test('a server of Postgres that has a name can be found from within the sandbox', () => {
    expect(processSpec(input(inPostgres)).readOnlyPaths).toBeUndefined();
    const named = { ...inPostgres, postgresUrl: 'postgres://u:p@db.example.com/d' };
    expect(processSpec(input(named)).readOnlyPaths).toEqual(['/etc/hosts', '/etc/resolv.conf']);
  });

  test('read-only is a setting of each connection to the storage', () => {
    expect(processSpec(input({ state: { engine: 'sqlite', readOnly: true, limits: {} } })).args.join(' ')).toContain('query_only(true)');
    const { environment } = processSpec(input({ ...inPostgres, state: { ...postgres, readOnly: true } }));
    expect(new URL(environment.FERRETDB_POSTGRESQL_URL ?? '').searchParams.get('default_transaction_read_only')).toBe('on');
  });
});
