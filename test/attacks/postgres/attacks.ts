// The statements, the ways in and what is tried after access ended, for the table of all attacks and for every kind that is a Postgres
// database; what only looks like success is in the tests beside it.
import type pg from 'pg';
import type { ProvisionRequest } from '../../../activities/backend';
import { type DatabaseBackend, type PostgresHarness, startPostgresHarness } from '../../contract/postgres-harness';
import { tenantsAdminUrl } from '../../harness/servers';
import type { Attack, AttackSuite } from '../attack';
import { STATEMENTS, type Attack as Statement } from './statements';

type Harness = PostgresHarness<DatabaseBackend>;

export interface Scene {
  harness: Harness;
  attacker: ProvisionRequest;
  victim: ProvisionRequest;
}

export const postgresAttacks: AttackSuite = {
  kind: 'postgres',
  async open() {
    const { scene, close } = await openScene(await startPostgresHarness());
    return { attacks: databaseAttacks(scene), close };
  },
};

/** Two tenants; the attacker has two login roles, as after a rotation. */
export async function openScene(harness: Harness): Promise<{ scene: Scene; close(): Promise<void> }> {
  const [attacker, victim] = [harness.newRequest(3), harness.newRequest(3)];
  await Promise.all([harness.backend.provision(attacker), harness.backend.provision(victim)]);
  await harness.backend.rotate({ ...attacker, credentialVersion: 2, previousVersion: 1 });
  const close = async () => {
    for (const request of [attacker, victim]) await harness.backend.deprovision(request);
    await harness.close();
  };
  return { scene: { harness, attacker, victim }, close };
}

export function databaseAttacks(scene: Scene): Attack[] {
  return [...statements(scene, STATEMENTS), ...waysIn(scene), ...afterTheEnd(scene)];
}

/** An error of another kind than the expected refusal proves nothing. */
export function statements({ harness, attacker, victim }: Scene, tried: readonly Statement[]): Attack[] {
  const { hostname: host, port } = new URL(tenantsAdminUrl());
  return tried.map(({ name, sql, code = /^42501$/ }) => ({
    name,
    async run() {
      for (const hat of ['RESET ROLE', 'SET ROLE NONE']) {
        const text = sql({ attacker: attacker.objectName, victim: victim.objectName, host, port });
        const outcome = await answerTo(harness.client(attacker), [hat, text]);
        if (outcome === 'success') return { breached: `after ${hat} it succeeded` };
        if (!code.test(outcome)) return { breached: `after ${hat} it failed with ${outcome} only` };
      }
      return 'refused';
    },
  }));
}

function waysIn({ harness, attacker, victim }: Scene): Attack[] {
  const logins: [string, Parameters<Harness['client']>[1]][] = [
    ...['postgres', 'template0', 'template1'].map((database): [string, { database: string }] => [`log in to ${database}`, { database }]),
    ["log in to the victim's database", { database: victim.objectName }],
    ['log in as the owner role', { user: attacker.objectName }],
    ["log in as the victim with one's own password", { user: `${victim.objectName}_1`, database: victim.objectName }],
  ];
  return logins.map(([name, options]) => ({
    name,
    async run() {
      const outcome = await answerTo(harness.client(attacker, options), ['SELECT 1']);
      return outcome === 'success' ? { breached: 'it was let in' } : 'refused';
    },
  }));
}

/** With a connection that was open before, and with a new one. */
function afterTheEnd({ harness }: Scene): Attack[] {
  const { backend } = harness;
  const endings: [string, (request: ProvisionRequest) => Promise<void>][] = [
    ['suspended, paused or expired', (request) => backend.cut(request)],
    ['deleted', (request) => backend.deprovision(request)],
    [
      'rotated',
      async (request) => {
        await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
        await backend.retireCredential({ ...request, retireVersion: 1 });
      },
    ],
  ];
  return endings.map(([name, end]) => ({
    name: `${name}: the old credential, anew and over an open connection`,
    async run() {
      const request = harness.newRequest();
      await backend.provision(request);
      const open = harness.client(request);
      await open.connect();
      try {
        await end(request);
        const still = await open.query('SELECT 1').then(
          () => true,
          () => false,
        );
        if (still) return { breached: 'the open connection still answers' };
        return (await answerTo(harness.client(request), ['SELECT 1'])) === 'success' ? { breached: 'it was let in' } : 'refused';
      } finally {
        await open.end().catch(() => undefined);
        await backend.deprovision(request);
      }
    },
  }));
}

/** `success`, or the error's code. */
async function answerTo(client: pg.Client, texts: string[]): Promise<string> {
  try {
    await client.connect();
    for (const text of texts) await client.query(text);
    return 'success';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await client.end();
  }
}
