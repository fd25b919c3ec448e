// The start-up probe: two throw-away tenants, of which one tries to come in wherever it has no business.
import { createHash } from 'node:crypto';
import pg from 'pg';
import { generatePassword, scramSha256Verifier } from '../../shared/crypto';
import { loginName } from '../names';
import { redact, toProviderError } from './errors';
import { deprovision, establish, type LifecycleContext } from './lifecycle';
import { literal } from './names';
import { withNameLock } from './session';
import { DEFAULT_SETTINGS } from './statements';

export interface IsolationCheck {
  database: string;
  refused: boolean;
  /** The server's words, or the remedy. */
  detail: string;
}

export interface IsolationReport {
  /** Refused in every place a tenant must not enter, and let into its own. */
  strict: boolean;
  /** pg_hba.conf refuses by itself, also where an access list would let the tenant in. */
  refusedByHostRules: boolean;
  refusedDetails: IsolationCheck[];
}

interface Throwaway {
  objectName: string;
  user: string;
  password: string;
}

const OTHER_DATABASES_TRIED = 50;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export async function probeIsolation(
  options: { context: LifecycleContext; prefix: string },
  backendName: string,
): Promise<IsolationReport> {
  const { context, prefix } = options;
  const serverVersion = await context.servers.prepare(backendName);
  const throwaway = (part: string): Throwaway => {
    const objectName = `${prefix}${probeName(prefix, part)}`;
    return { objectName, user: loginName(objectName, 1), password: generatePassword() };
  };
  const [intruder, victim] = [throwaway('intruder'), throwaway('victim')];
  // One probe at a time on a server: its names are always the same, so that the next one removes what a killed one left.
  const turn = { backendName, objectName: `${prefix}${probeName(prefix, 'turn')}` };
  return await withNameLock(context.servers, turn, { now: context.now }, () =>
    probe(context, { backendName, serverVersion, intruder, victim }),
  );
}

/** 24 characters of base32 that are the same at each start. */
function probeName(prefix: string, part: string): string {
  const digest = createHash('sha256').update(`${prefix}/probe/${part}`).digest();
  return [...digest.subarray(0, 24)].map((byte) => BASE32[byte % BASE32.length]).join('');
}

async function probe(
  context: LifecycleContext,
  options: { backendName: string; serverVersion: number; intruder: Throwaway; victim: Throwaway },
): Promise<IsolationReport> {
  const { backendName, serverVersion, intruder, victim } = options;
  const removeBoth = async () => {
    for (const { objectName } of [intruder, victim]) await deprovision(context, { backendName, objectName });
  };
  try {
    await removeBoth();
    for (const tenant of [intruder, victim]) {
      const verifier = await scramSha256Verifier(tenant.password);
      const login = {
        ...{ objectName: tenant.objectName, version: 1, verifier, canLogin: true, connections: 2, serverVersion },
        settings: DEFAULT_SETTINGS,
      };
      await withNameLock(context.servers, { backendName, objectName: tenant.objectName }, { now: context.now }, (name) =>
        establish(context.servers, name, login),
      );
    }
    return await attempt(context, backendName, { intruder, victim });
  } catch (error) {
    throw toProviderError(error);
  } finally {
    await removeBoth();
  }
}

async function attempt(
  context: LifecycleContext,
  backendName: string,
  tenants: { intruder: Throwaway; victim: Throwaway },
): Promise<IsolationReport> {
  const { intruder, victim } = tenants;
  const enter = (who: Throwaway, database: string, sql = 'SELECT 1') => tryToEnter(context, { backendName, who, database, sql });
  const home = await enter(intruder, intruder.objectName);
  // What a careless or hostile neighbour could do; it is no owner of its database, so it should have no effect.
  await enter(victim, victim.objectName, `GRANT CONNECT ON DATABASE "${victim.objectName}" TO PUBLIC`);

  const others = await context.servers.query<{ name: string }>(
    backendName,
    `SELECT datname AS name FROM pg_database WHERE datallowconn AND datname NOT IN (${literal(intruder.objectName)}, ${literal(victim.objectName)})
     AND datname !~ '^lh[a-z2-7]{8}_[a-z2-7]{24}$' ORDER BY datname LIMIT ${OTHER_DATABASES_TRIED}`,
  );
  const checks: IsolationCheck[] = [];
  for (const database of [victim.objectName, ...others.map((row) => row.name)]) {
    const answer = await enter(intruder, database);
    const detail = answer.entered ? `a tenant gets in: REVOKE ALL ON DATABASE "${database}" FROM PUBLIC` : answer.words;
    checks.push({ database, refused: !answer.entered, detail });
  }
  if (!home.entered) {
    const detail = `a tenant is refused in its own database (${home.words}): let members of leasehold_tenants in with samerole`;
    checks.push({ database: intruder.objectName, refused: true, detail });
  }
  // Now with a real grant, by the admin: only pg_hba.conf can still refuse.
  await context.servers.query(backendName, `GRANT CONNECT ON DATABASE "${victim.objectName}" TO PUBLIC`);
  const granted = await enter(intruder, victim.objectName);
  return {
    strict: home.entered && checks.every((check) => check.refused),
    refusedByHostRules: home.entered && !granted.entered,
    refusedDetails: checks,
  };
}

async function tryToEnter(
  context: LifecycleContext,
  options: { backendName: string; who: Throwaway; database: string; sql: string },
): Promise<{ entered: true } | { entered: false; words: string }> {
  const { backendName, who, database } = options;
  const connectionString = context.servers.urlOf({ backendName, database, user: who.user, password: who.password });
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    // Only the server's own refusal counts; a server that is away has refused nobody.
    if (!(error instanceof pg.DatabaseError)) throw toProviderError(error);
    return { entered: false, words: redact(error.message) };
  }
  try {
    await client.query(options.sql);
    return { entered: true };
  } finally {
    await client.end();
  }
}
