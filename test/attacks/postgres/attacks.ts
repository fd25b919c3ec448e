// The statements and the ways in, for the table of all attacks; what else is tried on postgres is in the tests beside it.
import type pg from 'pg';
import type { ProvisionRequest } from '../../../activities/backend';
import { type PostgresHarness, startPostgresHarness } from '../../contract/postgres-harness';
import { tenantsAdminUrl } from '../../harness/servers';
import type { Attack, AttackSuite } from '../attack';
import { STATEMENTS } from './statements';

interface Scene {
  harness: PostgresHarness;
  attacker: ProvisionRequest;
  victim: ProvisionRequest;
}

export const postgresAttacks: AttackSuite = {
  kind: 'postgres',
  async open() {
    const harness = await startPostgresHarness();
    const [attacker, victim] = [harness.newRequest(3), harness.newRequest(3)];
    await Promise.all([harness.backend.provision(attacker), harness.backend.provision(victim)]);
    // The attacker has two login roles, as after a rotation.
    await harness.backend.rotate({ ...attacker, credentialVersion: 2, previousVersion: 1 });
    const scene = { harness, attacker, victim };
    return {
      attacks: [...statements(scene), ...waysIn(scene)],
      async close() {
        for (const request of [attacker, victim]) await harness.backend.deprovision(request);
        await harness.close();
      },
    };
  },
};

/** An error of another kind than the expected refusal proves nothing. */
function statements({ harness, attacker, victim }: Scene): Attack[] {
  const { hostname: host, port } = new URL(tenantsAdminUrl());
  return STATEMENTS.map(({ name, sql, code = /^42501$/ }) => ({
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
  const logins: [string, Parameters<PostgresHarness['client']>[1]][] = [
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
