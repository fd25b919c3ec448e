import { describe, expect, test } from '@jest/globals';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { DatabaseError } from 'pg';
import { toApplicationFailure } from '../errors';
import { createKindActivities } from '../kind-activities';
import { assertOwnName, installationPrefix, loginName, loginVersion, objectNameOf } from '../names';
import { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable, redact, toProviderError } from './errors';
import { createPostgresBackend } from './index';
import { lockKey } from './names';
import type { LoginState } from './session';
import {
  applyLogin,
  connectionLimit,
  DEFAULT_SETTINGS,
  dropLogin,
  isDefault,
  limitOfLogins,
  lockOut,
  markRetired,
  settingsOf,
} from './statements';

/** The failures here are meant: they need no log. */
const quietEnvironment = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
const NAME = `lhabcdefgh_${'a2'.repeat(12)}`;

function databaseError(code: string, message: string): DatabaseError {
  return Object.assign(new DatabaseError(message, message.length, 'error'), { code });
}

function login(version: number, limit: number): LoginState {
  return { roleName: `${NAME}_${version}`, version, canLogin: true, connectionLimit: limit };
}

describe('names', () => {
  test.each(['', 'postgres', `${NAME}x`, `${NAME}_1`, NAME.toUpperCase(), `lhabcdefgh_${'a'.repeat(23)}"`, `${NAME}\n`])(
    '%j is no object name',
    (name) => expect(() => assertOwnName(name, 'lhabcdefgh_')).toThrow(ProviderMisconfigured),
  );

  test('only names of this installation are ours', () => {
    expect(() => assertOwnName(NAME, installationPrefix('abcdefgh'))).not.toThrow();
    expect(() => assertOwnName(NAME, installationPrefix('abcdefg2'))).toThrow('another installation');
    expect(() => installationPrefix('%')).toThrow(ProviderMisconfigured);
  });

  test('a login role names its object and version', () => {
    expect(loginName(NAME, 12)).toBe(`${NAME}_12`);
    for (const version of [0, -1, 1.5, Number.NaN]) expect(() => loginName(NAME, version)).toThrow(ProviderMisconfigured);
    expect(loginVersion(`${NAME}_12`, NAME)).toBe(12);
    expect(loginVersion(NAME, NAME)).toBeNull();
    expect(loginVersion(`${NAME}_0`, NAME)).toBeNull();
    expect([NAME, `${NAME}_3`, `${NAME}_x`, 'postgres'].map(objectNameOf)).toEqual([NAME, NAME, null, null]);
  });

  test('the lock key is a 64-bit number of the name', () => {
    expect(lockKey(NAME)).toMatch(/^'-?\d+'::bigint$/);
    expect(lockKey(NAME)).toBe(lockKey(NAME));
    expect(lockKey(NAME)).not.toBe(lockKey('another'));
  });
});

describe('statements', () => {
  test('a limit is never 0, which would read as cut or retired', () => {
    expect([undefined, -1, 0, 5].map((connections) => connectionLimit({ connections }))).toEqual([-1, -1, 1, 5]);
  });

  test("the database's limit after a cut is that of its live login roles", () => {
    expect(limitOfLogins([login(1, 0), login(2, 7)])).toBe(7);
    expect(limitOfLogins([login(1, -1), login(2, 7)])).toBe(-1);
    expect(limitOfLogins([])).toBe(-1);
    expect(markRetired(`${NAME}_1`)).toContain('CONNECTION LIMIT 0');
  });

  test('membership options are left out before Postgres 16', () => {
    const spec = { objectName: NAME, version: 1, verifier: null, canLogin: false, connections: -1, settings: DEFAULT_SETTINGS };
    expect(applyLogin({ ...spec, serverVersion: 150_018 }, false).join()).not.toContain('INHERIT FALSE');
    expect(applyLogin({ ...spec, serverVersion: 180_004 }, false).join()).toContain('WITH INHERIT FALSE, SET FALSE');
    expect(applyLogin({ ...spec, serverVersion: 180_004 }, true)[0]).toMatch(/^ALTER ROLE .* NOLOGIN PASSWORD NULL/);
  });

  test('a plan’s figures are settings of the login role, and a resource that is older than they are has the usual ones', () => {
    const settings = settingsOf({ tempFileMb: 64, statementTimeoutMs: 90_000 });
    const spec = { objectName: NAME, version: 3, verifier: null, canLogin: true, connections: 2, settings, serverVersion: 180_004 };
    expect(applyLogin(spec, true)).toEqual(
      expect.arrayContaining([
        `ALTER ROLE "${NAME}_3" SET temp_file_limit = '64MB'`,
        `ALTER ROLE "${NAME}_3" SET statement_timeout = '90000ms'`,
      ]),
    );
    expect(isDefault(settings)).toBe(false);
    expect(settingsOf({ connections: 2 })).toEqual({ tempFileMb: 256, statementTimeoutMs: 60_000 });
    expect(isDefault(settingsOf({}))).toBe(true);
  });

  test('what a login role owns is re-assigned before anything of it is dropped', () => {
    const [first, second, third] = dropLogin(`${NAME}_1`, NAME);
    expect([first, second, third].map((statement) => statement?.split(' ')[0])).toEqual(['REASSIGN', 'DROP', 'DROP']);
  });

  test('the remains of an interrupted drop are not altered', () => {
    const state = { ownerExists: true, logins: [login(1, 5)], database: { connectionLimit: -2, complete: true } };
    expect(lockOut(NAME, state).join()).not.toContain('ALTER DATABASE');
    expect(lockOut(NAME, { ...state, database: { connectionLimit: 5, complete: true } }).join()).toContain('ALLOW_CONNECTIONS false');
  });
});

describe('errors', () => {
  test.each([
    ['40001', ProviderUnavailable],
    ['53300', ProviderUnavailable],
    ['57P01', ProviderUnavailable],
    ['28P01', ProviderMisconfigured],
    ['42501', ProviderMisconfigured],
  ])('SQLSTATE %s', (code, expected) => {
    expect(toProviderError(databaseError(code, 'words'))).toBeInstanceOf(expected);
  });

  test('only what may pass by itself is tried again', () => {
    const failures = [new ProviderUnavailable('a'), new ProviderMisconfigured('b'), new Fenced('c'), new ObjectMissing('d')].map(
      (error) => toApplicationFailure(error) as ApplicationFailure,
    );
    expect(failures.map(({ type, nonRetryable }) => [type, nonRetryable])).toEqual([
      ['ProviderUnavailable', false],
      ['ProviderMisconfigured', true],
      ['Fenced', true],
      ['ObjectMissing', true],
    ]);
    const cancelled = new CancelledFailure('stop');
    expect(toApplicationFailure(cancelled)).toBe(cancelled);
  });

  test('secrets are taken out of messages, and details are not taken over', () => {
    expect(redact("PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$key:key' at postgres://admin:secret@host")).toBe(
      "PASSWORD '<verifier>' at postgres://admin:***@host",
    );
    const error = Object.assign(databaseError('XX000', 'words'), { detail: 'hunter2', internalQuery: 'hunter2' });
    expect(JSON.stringify(toApplicationFailure(error))).not.toContain('hunter2');
    expect(toApplicationFailure(error).cause).toBeUndefined();
  });
});

describe('activities', () => {
  const backendAt = (url: string) =>
    createPostgresBackend({
      adminUrlOf: () => url,
      installationId: 'abcdefgh',
      fence: async () => true,
      readCredential: async () => ({ username: `${NAME}_1`, password: 'a-password' }),
    });
  const request = {
    resourceId: 'r',
    kind: 'postgres' as const,
    backendName: 'b',
    objectName: NAME,
    generation: 0,
    limits: {},
    options: {},
    credentialVersion: 1,
    retiringVersion: null,
  };

  test.each([
    ['postgres://admin:hunter2@127.0.0.1:1/x', 'ProviderUnavailable'],
    ['postgres://admin:hunter2@[bad/x', 'ProviderMisconfigured'],
  ])('a server that cannot be reached fails without its password: %s', async (url, type) => {
    const backend = backendAt(url);
    const activities = createKindActivities(backend);
    for (const verb of [activities.provision, activities.claimWarm, activities.deprovision, activities.cut]) {
      const failure: unknown = await quietEnvironment()
        .run(verb, request)
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ApplicationFailure);
      expect(failure).toMatchObject({ type, message: expect.stringMatching(/ECONNREFUSED|cannot be read/) });
      expect(`${(failure as Error).stack}${JSON.stringify(failure)}`).not.toContain('hunter2');
    }
    await backend.close();
  });

  test('a credential of another object is refused', async () => {
    const backend = backendAt('postgres://admin:hunter2@127.0.0.1:1/x');
    const other = { ...request, objectName: `lhabcdefgh_${'b'.repeat(24)}` };
    await expect(quietEnvironment().run(createKindActivities(backend).claimWarm, other)).rejects.toMatchObject({
      type: 'ProviderMisconfigured',
    });
    await backend.close();
  });
});
