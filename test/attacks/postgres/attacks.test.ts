// Two tenants on one server: what one of them tries against the other, the server and its own limits. Every row must be refused.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import type { ProvisionRequest } from '../../../activities/backend';
import { type PostgresHarness, startPostgresHarness } from '../../contract/postgres-harness';
import { tenantsAdminUrl } from '../../harness/servers';
import { STATEMENTS } from './statements';

let harness: PostgresHarness;
let attacker: ProvisionRequest;
let victim: ProvisionRequest;

beforeAll(async () => {
  harness = await startPostgresHarness();
  [attacker, victim] = [harness.newRequest(3), harness.newRequest(3)];
  await Promise.all([harness.backend.provision(attacker), harness.backend.provision(victim)]);
  // The attacker has two login roles, as after a rotation.
  await harness.backend.rotate({ ...attacker, credentialVersion: 2, previousVersion: 1 });
});

afterAll(async () => {
  for (const request of [attacker, victim]) await harness.backend.deprovision(request);
  await harness.close();
});

/** Both as the owner role that a session begins as, and as the bare login role. */
const HATS = ['RESET ROLE', 'SET ROLE NONE'];

async function as<T>(request: ProvisionRequest, work: (client: pg.Client) => Promise<T>, options: { version?: number } = {}): Promise<T> {
  const client = harness.client(request, options);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function refusedLogin(client: pg.Client): Promise<void> {
  try {
    await expect(client.connect()).rejects.toThrow();
  } finally {
    await client.end();
  }
}

describe('statements', () => {
  test.each(STATEMENTS)('$name', async ({ sql, code }) => {
    const { hostname, port } = new URL(tenantsAdminUrl());
    const text = sql({ attacker: attacker.objectName, victim: victim.objectName, host: hostname, port });
    for (const hat of HATS) {
      await as(attacker, async (client) => {
        await client.query(hat);
        await expect(client.query(text)).rejects.toMatchObject({ code: expect.stringMatching(code ?? /^42501$/) });
      });
    }
  });
});

describe('ways in', () => {
  test.each(['postgres', 'template0', 'template1', 'the victim'])('login to the database %s', async (database) => {
    await refusedLogin(harness.client(attacker, { database: database === 'the victim' ? victim.objectName : database }));
  });

  test("login as the owner role, and as the victim with one's own password", async () => {
    await refusedLogin(harness.client(attacker, { user: attacker.objectName }));
    await refusedLogin(harness.client(attacker, { user: `${victim.objectName}_1` }));
    await refusedLogin(harness.client(attacker, { user: `${victim.objectName}_1`, database: victim.objectName }));
  });

  test('a neighbour who opens its database to all lets nobody in', async () => {
    await as(victim, (client) => client.query(`GRANT ALL ON DATABASE "${victim.objectName}" TO PUBLIC`));
    await as(victim, (client) => client.query(`GRANT CONNECT ON DATABASE "${victim.objectName}" TO "${attacker.objectName}"`));
    await refusedLogin(harness.client(attacker, { database: victim.objectName }));
    const [row] = await harness.admin<{ open: boolean }>(
      `SELECT has_database_privilege('${attacker.objectName}', '${victim.objectName}', 'CONNECT') AS open`,
    );
    expect(row?.open).toBe(false);
  });

  test('more connections than the limit, also over two login roles', async () => {
    const clients = [1, 2, 1].map((version) => harness.client(attacker, { version }));
    for (const client of clients) await client.connect();
    for (const version of [1, 2]) await refusedLogin(harness.client(attacker, { version }));
    for (const client of clients) await client.end();
  });
});

describe("what only looks like success, or works on one's own role alone", () => {
  test("the neighbour's queries and addresses are not seen", async () => {
    await as(victim, async (secretive) => {
      await secretive.query("SELECT 'a secret of the victim'");
      await as(attacker, async (client) => {
        const { rows } = await client.query(`SELECT query, client_addr FROM pg_stat_activity WHERE datname = '${victim.objectName}'`);
        expect(rows).not.toHaveLength(0);
        for (const row of rows) expect(row).toMatchObject({ query: '<insufficient privilege>', client_addr: null });
      });
    });
  });

  test('what the login role makes under its own name stays when it is retired', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    await as(request, (client) => client.query('SET ROLE NONE; CREATE SCHEMA mine; CREATE TABLE mine.kept AS SELECT 1 AS n'));
    await as(request, (client) =>
      client.query(`ALTER ROLE "${request.objectName}_1" RESET role`).catch(() => client.query('SET ROLE NONE')),
    );
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await harness.backend.retireCredential({ ...request, retireVersion: 1 });
    const { rows } = await as(request, (client) => client.query('SELECT n FROM mine.kept'), { version: 2 });
    expect(rows).toEqual([{ n: 1 }]);
    await harness.backend.deprovision(request);
  });

  test('its own password and settings can be changed by a login role, until the next rotation only', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const login = `"${request.objectName}_1"`;
    await as(request, (client) => client.query(`SET ROLE NONE; ALTER ROLE ${login} PASSWORD 'another'; ALTER ROLE ${login} RESET role`));
    await refusedLogin(harness.client(request));
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: null });
    const { rows } = await as(request, (client) => client.query('SELECT current_user AS role'), { version: 2 });
    expect(rows).toEqual([{ role: request.objectName }]);
    expect(await harness.admin(`SELECT FROM pg_roles WHERE rolname = '${request.objectName}_1'`)).toEqual([]);
    await harness.backend.deprovision(request);
  });

  test('RESET ALL on its login role does not lift the temp file limit', async () => {
    await as(attacker, (client) => client.query(`SET ROLE NONE; ALTER ROLE "${attacker.objectName}_1" RESET ALL`));
    const { rows } = await as(attacker, (client) => client.query('SHOW temp_file_limit'));
    expect(rows).toEqual([{ temp_file_limit: '256MB' }]);
  });
});

describe('after access ended', () => {
  test('an open connection does not outlive a cut, and none comes in', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const open = harness.client(request);
    await open.connect();
    await harness.backend.cut(request);
    await expect(open.query('SELECT 1')).rejects.toThrow();
    await refusedLogin(harness.client(request));
    await harness.backend.deprovision(request);
  });

  test('connecting without pause does not get through a cut', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    let cutDone = false;
    const survivors: pg.Client[] = [];
    const knock = async () => {
      while (!cutDone) {
        const client = harness.client(request);
        await client.connect().then(
          () => survivors.push(client),
          () => client.end(),
        );
      }
    };
    const knocking = Promise.all([knock(), knock()]);
    await harness.backend.cut(request);
    cutDone = true;
    await knocking;
    for (const client of survivors) await expect(client.query('SELECT 1')).rejects.toThrow();
    await harness.backend.deprovision(request);
  });

  test('an open connection does not outlive its credential, and keeps nothing for itself', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const open = harness.client(request);
    await open.connect();
    await open.query(`SET ROLE NONE; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; CREATE TABLE hidden (n int)`);
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await harness.backend.retireCredential({ ...request, retireVersion: 1 });
    await expect(open.query('SELECT 1')).rejects.toThrow();
    await refusedLogin(harness.client(request));
    await harness.backend.deprovision(request);
  });

  test('objects that a tenant plants do not run with the platform’s rights', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    await as(request, (client) =>
      client.query(`SET ROLE NONE; CREATE TABLE planted (who text, super bool);
        CREATE FUNCTION count(text) RETURNS bigint LANGUAGE sql AS $$ INSERT INTO planted VALUES (current_user, true); SELECT 1::bigint $$;
        CREATE FUNCTION pg_advisory_unlock(bigint) RETURNS bool LANGUAGE sql AS $$ INSERT INTO planted VALUES (current_user, true); SELECT true $$`),
    );
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await harness.backend.retireCredential({ ...request, retireVersion: 1 });
    const { rows } = await as(request, (client) => client.query('SELECT * FROM planted'), { version: 2 });
    expect(rows).toEqual([]);
    await harness.backend.deprovision(request);
  });
});
