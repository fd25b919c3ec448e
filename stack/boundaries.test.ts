// Walls between rooms that the import rules cannot see: whose tables SQL names, what may stand in a URL, what Temporal may be told.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { z } from 'zod';
import { apiRoutes } from '../api/app';
import { fakeApp } from '../api/testing/fakes';
import { packageRoot } from './paths';

const ROOT = packageRoot();
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

function filesOf(folder: string, accept: (path: string) => boolean): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path}`)
    .filter((path) => accept(path))
    .sort();
}

const isProduct = (path: string) => path.endsWith('.ts') && !path.endsWith('.test.ts');
const SOURCES = ['api', 'workflows', 'activities', 'shared', 'stack'].flatMap((folder) => filesOf(folder, isProduct));

/** Rooms that work on the same things. `activities/platform/reserve.ts` is of the room `activities/platform`, `api/audit.ts` is one by itself. */
const DOMAINS: Readonly<Record<string, readonly string[]>> = {
  lifecycle: ['activities/platform', 'api/projection', 'stack/worker', 'api/idempotency'],
  identity: ['api/identity', 'api/auth'],
  notification: ['activities/notification', 'api/notifications', 'shared/notification'],
  outbox: ['shared/outbox', 'shared/relay'],
  // An operator's command that follows one request through every part, and reads only.
  trace: ['stack/trace'],
};

function domainOf(path: string): string {
  const room = path.split('/').slice(0, 2).join('/');
  return Object.entries(DOMAINS).find(([, rooms]) => rooms.includes(room))?.[0] ?? room;
}

// What more than one domain names, the one that owns it first; a table that is not here is of the one domain that names it.
const SHARED: Readonly<Record<string, readonly string[]>> = {
  resources: ['lifecycle', 'outbox', 'notification'],
  resource_events: ['lifecycle', 'outbox', 'notification', 'trace'],
  outbox_events: ['outbox', 'lifecycle', 'trace'],
  // Every room that changes something on somebody's behalf writes its line, in the transaction of what it tells of.
  audit_logs: ['lifecycle', 'api/audit.ts', 'notification', 'trace'],
  // A resource's list and a notice need the names of people and teams.
  teams: ['identity', 'lifecycle'],
  memberships: ['identity', 'lifecycle', 'notification'],
  users: ['identity', 'notification'],
  api_keys: ['identity', 'lifecycle'],
};

function tablesOfMigrations(): string[] {
  const folder = 'shared/db/migrations';
  const statements = filesOf(folder, (path) => path.endsWith('.sql')).map((path) => read(path).split('-- Down Migration')[0] ?? '');
  const names = statements.flatMap((text) => [...text.matchAll(/^CREATE (?:TABLE|VIEW)\s+(?:IF NOT EXISTS\s+)?([a-z_]+)/gm)]);
  return [...new Set(names.map(([, name]) => name ?? ''))];
}

/** Table -> files whose SQL names it. Keywords are upper case in ours, and a table follows one. */
function usesOf(tables: readonly string[]): Map<string, string[]> {
  const uses = new Map<string, string[]>();
  for (const path of SOURCES) {
    const named = new Set(
      [...read(path).matchAll(/\b(?:FROM|INTO|UPDATE|JOIN|TABLE|TRUNCATE)\s+(?:ONLY\s+)?([a-z_]+)\b/g)].map(([, name]) => name),
    );
    for (const table of tables) if (named.has(table)) uses.set(table, [...(uses.get(table) ?? []), path]);
  }
  return uses;
}

describe("the platform's tables", () => {
  const tables = tablesOfMigrations();
  const uses = usesOf(tables);

  it('are found in migrations and in code', () => {
    expect(tables).toEqual(expect.arrayContaining(['resources', 'backend_states', 'users']));
    expect(uses.get('resources')?.length).toBeGreaterThan(5);
    for (const table of Object.keys(SHARED)) expect(tables).toContain(table);
  });

  it('are named by no domain but their own', () => {
    const strangers = [...uses].flatMap(([table, paths]) => {
      const domains = SHARED[table] ?? [domainOf(paths[0] ?? '')];
      return paths.filter((path) => !domains.includes(domainOf(path))).map((path) => `${path} names ${table}, of ${domains.join(', ')}`);
    });
    expect(strangers).toEqual([]);
  });

  it("are named by no kind's room and by no handler", () => {
    const outside = SOURCES.filter((path) => /^(activities\/(?!platform\/|notification\/)[^/]+\/|api\/routes\/|workflows\/)/.test(path));
    expect(outside.length).toBeGreaterThan(50);
    const named = new Set([...uses.values()].flat());
    expect(outside.filter((path) => named.has(path))).toEqual([]);
  });
});

describe('URLs', () => {
  const fake = fakeApp();
  const routes = apiRoutes(fake.deps);
  const SECRET_LIKE = /token|secret|passw|credential|api_?key|authorization|signature|bearer|jwt/i;
  /** Of one purpose, and no credential for data. */
  const ONBOARDING = ['/start', '/claim/preview'];

  it('take no credential as a declared parameter of any route', () => {
    expect(routes.length).toBeGreaterThan(30);
    for (const { path, query } of routes.filter((route) => !ONBOARDING.includes(route.path))) {
      const names = query === undefined ? [] : Object.keys((z.toJSONSchema(query, { io: 'input' }).properties ?? {}) as object);
      expect({ path, names: names.filter((name) => SECRET_LIKE.test(name)) }).toEqual({ path, names: [] });
    }
  });

  it('are refused with one, on every route and however it is spelt', async () => {
    for (const { path, method } of routes.filter((route) => !ONBOARDING.includes(route.path))) {
      const url = path.replaceAll(/:\w+/g, '00000000-0000-4000-8000-000000000000');
      for (const name of ['token', 'access_token', 'api-key']) {
        const answer = await request(fake.app)[method](`${url}?a=b&${name}=x`);
        expect({ path, method, name, error: answer.body.error }).toEqual({ path, method, name, error: 'credentials_in_query' });
      }
    }
  });
});

describe('what Temporal is told', () => {
  /** Where the types of arguments, answers and memos stand. */
  const visible = [
    ...filesOf('workflows', (path) => path.endsWith('/messages.ts')),
    'workflows/resource/steps.ts',
    'activities/platform/types.ts',
    'shared/resourcetype/types.ts',
  ];
  const SECRET_LIKE =
    /^\s*(?:readonly )?(\w*(?:password|passphrase|secret|token|credential|apikey|privatekey|seed|connectionurl|dsn)\w*)\??:\s*(.+)$/i;
  /** Says which version, or until when: nothing that opens anything. `credential` is the name of who acted. */
  const HARMLESS = new Set(['credentialVersion', 'previousCredentialValidUntil', 'credential']);

  it('has no field that sounds like a secret', () => {
    const fields = visible.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line) => SECRET_LIKE.exec(line) ?? []),
    );
    // The search finds what there is: an empty result would prove nothing.
    expect(fields).toContain('credentialVersion');
    const suspicious = visible.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line) => {
          const name = SECRET_LIKE.exec(line)?.[1];
          return name === undefined || HARMLESS.has(name) ? [] : [`${path}: ${line.trim()}`];
        }),
    );
    expect(suspicious).toEqual([]);
  });
});
