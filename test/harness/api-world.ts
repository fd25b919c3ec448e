// The real api over the real Postgres, with two teams, their people, keys and resources, and an operator.
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp } from '../../api/app';
import type { ApiDeps, ApiSettings } from '../../api/deps';
import { PgIdempotentRequests } from '../../api/idempotency/requests';
import { PgApiKeyStore } from '../../api/identity/apikeys';
import { PgCliSessionStore } from '../../api/identity/cli';
import { OidcVerifier } from '../../api/identity/oidc';
import { OidcSignIn } from '../../api/identity/oidc-signin';
import { PgSignInStore } from '../../api/identity/oidc-store';
import { PgServiceAccountStore } from '../../api/identity/serviceaccounts';
import { issueSession } from '../../api/identity/session';
import { PgIdentityStore } from '../../api/identity/store';
import { PgTeamStore } from '../../api/identity/teams';
import { PgNotificationStore } from '../../api/notifications/store';
import { PgAuditLog } from '../../api/projection/auditlog';
import { PgLeakReport } from '../../api/projection/leaks';
import { PgResourceStore } from '../../api/projection/pgstore';
import { fakeApp, jwt, keyring, OPERATOR_KEY, plans } from '../../api/testing/fakes';
import { KEY_SCOPES, type KeyScope, TEAM_ROLES, type TeamRole } from '../../shared/authz';
import { hashToken } from '../../shared/crypto';
import { PgPolicies } from '../../shared/policy';
import type { ResourceKind } from '../../shared/resourcetype';
import { bookkeepingLifecycle } from './bookkeeping';
import { createTestDatabase, type TestDatabase } from './database';
import { type Answer, call } from './http';
import { testSpec } from './lifecycle';

export interface Person {
  userId: string;
  email: string;
  teamId: string;
  role: TeamRole;
}

export interface Team {
  id: string;
  people: Readonly<Record<TeamRole, Person>>;
  /** API keys in clear, made by the admin, by their one scope. */
  keys: Readonly<Record<KeyScope, string>>;
}

export interface Resource {
  id: string;
  token: string;
}

export interface AuditRow {
  actor_type: string;
  actor_id: string;
  actor_role: string | null;
  actor_user_id: string | null;
  actor_credential: string | null;
  action: string;
  target_id: string;
  team_id: string | null;
  result: string;
  ip: string | null;
}

export interface ApiWorld {
  deps: ApiDeps;
  baseUrl: string;
  database: TestDatabase;
  /** A team of four with keys; each has a name of its own. */
  team(tier?: string): Promise<Team>;
  /** One more member. */
  person(teamId: string, role: TeamRole, options?: { platformOperator?: boolean }): Promise<Person>;
  /** A new session of this person for their team. */
  session(person: Person): Promise<string>;
  apiKey(maker: Person, scopes?: readonly KeyScope[]): Promise<{ id: string; key: string }>;
  resource(teamId: string | null, kind?: ResourceKind): Promise<Resource>;
  /** @param route `POST /db/new`; no method = GET */
  call(route: string, options?: { bearer?: string; body?: unknown; headers?: Record<string, string> }): Promise<Answer>;
  /** What is on the record of one request. */
  audited(requestId: string): Promise<AuditRow[]>;
  close(): Promise<void>;
}

export const OPERATOR = OPERATOR_KEY;

/** Trusted there; it has no server, so nobody signs in by it. */
export const OIDC_ISSUER = 'https://issuer.test';

export async function openApiWorld(options: { settings?: Partial<ApiSettings>; deps?: Partial<ApiDeps> } = {}): Promise<ApiWorld> {
  const database = await createTestDatabase();
  const { pool } = database;
  // Ready, so that their routes get as far as asking who calls; nothing runs there.
  await pool.query(
    `INSERT INTO backends (name, kind, region, capacity, ready, server_version)
     VALUES ('storage', 'storage', 'local', 10000, true, 'test'), ('webhook', 'webhook', 'local', 10000, true, 'test')`,
  );
  const policies = new PgPolicies({ pool, onError: () => undefined });
  const base = fakeApp({ settings: options.settings }).deps;
  const identity = new PgIdentityStore(pool);
  const serviceAccounts = new PgServiceAccountStore(pool);
  const issuer = { issuer: OIDC_ISSUER, audiences: ['leasehold'], jwksUri: null, teamClaim: null, trustEmail: true };
  const deps: ApiDeps = {
    ...base,
    store: new PgResourceStore(pool),
    identity,
    oidc: new OidcSignIn({
      verifier: new OidcVerifier([issuer]),
      store: new PgSignInStore(pool, identity),
      serviceAccounts,
      identity,
      logger: base.logger,
    }),
    serviceAccounts,
    cliSessions: new PgCliSessionStore(pool, keyring),
    teams: new PgTeamStore(pool),
    apiKeys: new PgApiKeyStore(pool, base.logger),
    auditLog: new PgAuditLog(pool),
    leakReport: new PgLeakReport(pool),
    policies,
    idempotency: new PgIdempotentRequests({ pool, keyring, keptMs: () => plans.idempotency.keptMs }),
    notifications: new PgNotificationStore({ pool, keyring }),
    lifecycle: bookkeepingLifecycle(database, keyring),
    ...options.deps,
  };
  const server = await listen(createServer(createApp(deps)));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const person: ApiWorld['person'] = async (teamId, role, { platformOperator = false } = {}) => {
    const userId = randomUUID();
    const email = `${role}-${userId}@people.test`;
    await pool.query(
      `WITH person AS (INSERT INTO users (id, email, email_verified, platform_operator) VALUES ($1, $2, true, $5) RETURNING id)
       INSERT INTO memberships (team_id, user_id, role) SELECT $3, id, $4 FROM person`,
      [userId, email, teamId, role, platformOperator],
    );
    return { userId, email, teamId, role };
  };
  const apiKey: ApiWorld['apiKey'] = async (maker, scopes = KEY_SCOPES) => {
    const id = randomUUID();
    const key = `lh_${id}`;
    await pool.query(
      `INSERT INTO api_keys (id, team_id, name, key_hash, scopes, created_by, hint) VALUES ($1, $2, 'made by a test', $3, $4, $5, 'test')`,
      [id, maker.teamId, hashToken(key), scopes, maker.userId],
    );
    return { id, key };
  };
  const team: ApiWorld['team'] = async (tier = 'team') => {
    const id = randomUUID();
    await pool.query('INSERT INTO teams (id, name, tier) VALUES ($1, $2, $3)', [id, `team ${id}`, tier]);
    const people = {} as Record<TeamRole, Person>;
    for (const role of TEAM_ROLES) people[role] = await person(id, role);
    const keys = {} as Record<KeyScope, string>;
    for (const scope of KEY_SCOPES) keys[scope] = (await apiKey(people.owner, [scope])).key;
    return { id, people, keys };
  };

  return {
    deps,
    baseUrl,
    database,
    team,
    person,
    apiKey,
    session: async ({ userId, teamId }) => (await issueSession(deps, { userId, teamId })).token,
    resource: (teamId, kind = 'postgres') => makeResource(deps, teamId, kind),
    call: (route, { bearer, body, headers } = {}) =>
      call(baseUrl, route, { body, headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...headers } }),
    audited: async (requestId) =>
      (await pool.query<AuditRow>('SELECT * FROM audit_logs WHERE correlation_id = $1 ORDER BY occurred_at', [requestId])).rows,
    async close() {
      policies.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await database.drop();
    },
  };
}

async function makeResource({ lifecycle, store, secrets }: ApiDeps, teamId: string | null, kind: ResourceKind): Promise<Resource> {
  const owned =
    teamId === null
      ? {}
      : { owner: { type: 'team' as const, teamId }, actor: { type: 'team' as const, id: teamId }, policy: plans.policyFor('team') };
  const spec = testSpec({ ...owned, kind, requestId: `made-${randomUUID()}` });
  const made = await lifecycle.startAndWait(spec, { timeoutMs: 1_000 });
  if (made.outcome === 'failed') throw made.error;
  const row = await store.find({ id: spec.resourceId, tokenHash: null });
  if (row === null) throw new Error('no row');
  return { id: row.id, token: secrets.token(row) ?? '' };
}

async function listen(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** For forged tokens: what signs them in this world. */
export const signer = jwt;
