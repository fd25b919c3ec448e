// Where every route stands: who may call it on what is theirs. A route that is not in here fails the matrix.
import { randomUUID } from 'node:crypto';
import type { ResourceKind } from '../../shared/resourcetype';
import { type ApiWorld, OIDC_ISSUER, OPERATOR, type Resource, type Team } from '../harness/api-world';

export const CALLERS = [
  'anonymous',
  'token',
  'viewer',
  'member',
  'admin',
  'owner',
  'read key',
  'write key',
  'admin key',
  'operator key',
  'operator person',
] as const;
export type CallerName = (typeof CALLERS)[number];

/** What a route's path and body name: of the caller's own team, of another's, or of nobody's. */
export type Whose = 'own' | 'foreign' | 'unknown';

export interface Named {
  path: Record<string, string>;
  /** With its question mark. */
  query?: string;
  body?: unknown;
}

export interface Scene {
  world: ApiWorld;
  own: Team;
  foreign: Team;
}

export interface Place {
  /** On what is their own; everybody else is refused. */
  allowed: readonly CallerName[];
  /** Made anew for each call; absent = the route names nothing. */
  named?: (scene: Scene, whose: Whose) => Promise<Named>;
  /** For routes that name nothing. */
  body?: () => unknown;
  /** What it names is a proof of its own: there is no other's. */
  isProof?: true;
  /** Whom another's thing is no secret to. */
  seesForeign?: readonly CallerName[];
  /** Where its line of success is proved instead, for what needs more than a database. */
  successProvedBy?: string;
}

const EVERYBODY = CALLERS;
const VIEWERS = ['viewer', 'member', 'admin', 'owner'] as const;
const MEMBERS = ['member', 'admin', 'owner'] as const;
const ADMINS = ['admin', 'owner'] as const;
const READ_KEYS = ['read key', 'admin key'] as const;
const WRITE_KEYS = ['write key', 'admin key'] as const;
const OPERATORS = ['operator key', 'operator person'] as const;
/** A person who operates the platform is a viewer of their own team beside it. */
const AS_VIEWER = ['operator person'] as const;

const RESOURCE_READERS = [...VIEWERS, ...AS_VIEWER, ...READ_KEYS, 'operator key'] as const;
const RESOURCE_WRITERS = [...MEMBERS, ...WRITE_KEYS] as const;
const CREDENTIAL_READERS = [...MEMBERS, ...READ_KEYS] as const;
const TEAM_READERS = [...VIEWERS, ...AS_VIEWER, ...READ_KEYS] as const;
const EVERY_TEAM = [...VIEWERS, ...AS_VIEWER, 'read key', 'write key', 'admin key'] as const;
const PERSONS = [...VIEWERS, ...AS_VIEWER] as const;

async function resourceOf({ world, own, foreign }: Scene, whose: Whose, kind: ResourceKind): Promise<Resource> {
  if (whose === 'unknown') return { id: randomUUID(), token: randomUUID() };
  return await world.resource((whose === 'own' ? own : foreign).id, kind);
}

const onResource =
  (body?: unknown, parameter = 'id', more: Record<string, string> = {}, kind: ResourceKind = 'postgres') =>
  async (scene: Scene, whose: Whose): Promise<Named> => ({
    path: { [parameter]: (await resourceOf(scene, whose, kind)).id, ...more },
    body,
  });

async function freshMember({ world, own, foreign }: Scene, whose: Whose): Promise<string> {
  if (whose === 'unknown') return randomUUID();
  return (await world.person((whose === 'own' ? own : foreign).id, 'viewer')).userId;
}

const onMember =
  (body?: unknown) =>
  async (scene: Scene, whose: Whose): Promise<Named> => ({ path: { user_id: await freshMember(scene, whose) }, body });

async function invitation({ world }: Scene, team: Team): Promise<{ id: string; token: string }> {
  const bearer = await world.session(team.people.owner);
  const { status, body, text } = await world.call('POST /api/v1/team/invitations', {
    bearer,
    body: { email: 'new@people.test', role: 'viewer' },
  });
  if (status !== 201) throw new Error(text);
  return body;
}

const onInvitation = async (scene: Scene, whose: Whose): Promise<Named> => {
  const id = whose === 'unknown' ? randomUUID() : (await invitation(scene, whose === 'own' ? scene.own : scene.foreign)).id;
  return { path: { id } };
};

/** Good for whoever holds it, so it is nobody's: `foreign` is a token that was never given out. */
const onInvitationToken = async (scene: Scene, whose: Whose): Promise<Named> => ({
  path: { token: whose === 'own' ? (await invitation(scene, await scene.world.team())).token : randomUUID() },
});

const onApiKey = async ({ world, own, foreign }: Scene, whose: Whose): Promise<Named> => ({
  path: { id: whose === 'unknown' ? randomUUID() : (await world.apiKey((whose === 'own' ? own : foreign).people.owner)).id },
});

const onServiceAccount = async ({ world, own, foreign }: Scene, whose: Whose): Promise<Named> => {
  if (whose === 'unknown') return { path: { id: randomUUID() } };
  const { id: teamId, people } = whose === 'own' ? own : foreign;
  const account = { teamId, name: 'machine', issuer: OIDC_ISSUER, subject: randomUUID(), role: 'member', scopes: ['read'] } as const;
  const entry = (id: string) => ({
    actor: { type: 'system', id: 'test' } as const,
    ...{ action: 'service_account.create', targetType: 'service_account', targetId: id, teamId },
    ...{ result: 'success' as const, correlationId: '', ip: '' },
  });
  const made = await world.deps.serviceAccounts.create({ ...account, createdBy: people.owner.userId }, entry);
  return { path: { id: made?.id ?? '' } };
};

/** Another's is one that somebody of theirs has begun to complete. */
const onCliSession = async ({ world, foreign }: Scene, whose: Whose): Promise<Named> => {
  if (whose === 'unknown') return { path: { session_id: 'a'.repeat(40) }, body: {} };
  const { sessionId } = await world.deps.cliSessions.open({ anonymousTokens: [], requestedFrom: '127.0.0.1' });
  const { userId } = foreign.people.owner;
  if (whose === 'foreign') await world.deps.cliSessions.approve({ id: sessionId, userId, teamId: foreign.id });
  return { path: { session_id: sessionId }, body: {} };
};

const WEBHOOK_URL = 'https://example.com/hook';

async function subscriptionOf({ world, own, foreign }: Scene, whose: Whose): Promise<string> {
  if (whose === 'unknown') return randomUUID();
  const team = whose === 'own' ? own : foreign;
  const fields = { url: WEBHOOK_URL, events: ['*'], kinds: null };
  const created = await world.deps.notifications.createSubscription(team.id, fields, 1_000);
  if (created === null) throw new Error('no room for a subscription');
  return created.subscription.id;
}

const onSubscription =
  (body?: unknown) =>
  async (scene: Scene, whose: Whose): Promise<Named> => ({ path: { id: await subscriptionOf(scene, whose) }, body });

/** A delivery that ended, of an event that there is. */
async function onDelivery(scene: Scene, whose: Whose): Promise<Named> {
  const [id, delivery] = [await subscriptionOf(scene, whose), randomUUID()];
  if (whose !== 'unknown') {
    const resource = await scene.world.resource((whose === 'own' ? scene.own : scene.foreign).id);
    await scene.world.database.pool.query(
      `INSERT INTO deliveries (id, event_id, resource_id, channel, target_id, subscription_id, state, ended_at)
       SELECT $1, id, resource_id, 'webhook', $2, $2, 'dead', now() FROM resource_events WHERE resource_id = $3 LIMIT 1`,
      [delivery, id, resource.id],
    );
  }
  return { path: { id, delivery_id: delivery }, body: {} };
}

async function onNotifiedResource(scene: Scene, whose: Whose): Promise<Named> {
  const { id } = await resourceOf(scene, whose, 'postgres');
  await scene.world.database.pool.query('UPDATE resources SET notify_webhook = $2 WHERE id = $1', [id, WEBHOOK_URL]);
  return { path: { id }, body: {} };
}

const POLICY = { scope: 'global', key: 'provisions_per_day' };

/** One that is set. */
async function onPolicy({ world }: Scene): Promise<Named> {
  await world.call('PUT /api/v1/admin/policies', { bearer: OPERATOR, body: { ...POLICY, value: 7 } });
  return { path: {}, query: `?${new URLSearchParams(POLICY)}` };
}

const provision: Place = {
  allowed: ['anonymous', 'token', ...RESOURCE_WRITERS],
  // A same body within two minutes would be the same request.
  body: () => ({ name: `n ${randomUUID()}` }),
};
const onlyProvisionOf = (proof: string): Place => ({ ...provision, successProvedBy: proof });
const PUBLIC: Place = { allowed: EVERYBODY };
const operatorReads: Place = { allowed: OPERATORS };
const drain = (name: string): Place => ({
  allowed: OPERATORS,
  named: async (_scene, whose) => ({ path: { name: whose === 'own' ? name : randomUUID() } }),
});

const OTHER_KINDS = 'the line is written by the same reserve as for postgres';
const NO_INBOX = 'test/contract/webhook-api.test.ts';

export const PLACES: Readonly<Record<string, Place>> = {
  provision_postgres: provision,
  provision_vector: onlyProvisionOf(OTHER_KINDS),
  provision_redis: onlyProvisionOf(OTHER_KINDS),
  provision_mongodb: onlyProvisionOf(OTHER_KINDS),
  provision_queue: onlyProvisionOf(OTHER_KINDS),
  provision_storage: onlyProvisionOf(OTHER_KINDS),
  provision_webhook: onlyProvisionOf(OTHER_KINDS),

  list_resources: { allowed: TEAM_READERS },
  get_resource: { allowed: RESOURCE_READERS, named: onResource(), seesForeign: ['operator key'] },
  get_credentials: { allowed: CREDENTIAL_READERS, named: onResource(), seesForeign: ['operator key'] },
  list_events: { allowed: RESOURCE_READERS, named: onResource(), seesForeign: ['operator key'] },
  socket_resource_events: { allowed: RESOURCE_READERS, named: onResource(), seesForeign: ['operator key'] },
  extend_resource: { allowed: RESOURCE_WRITERS, named: onResource({ ttl: '10m' }), seesForeign: ['operator key'] },
  pause_resource: { allowed: RESOURCE_WRITERS, named: onResource({}), seesForeign: ['operator key'] },
  resume_resource: { allowed: RESOURCE_WRITERS, named: onResource({}), seesForeign: ['operator key'] },
  rotate_credentials: { allowed: RESOURCE_WRITERS, named: onResource({}), seesForeign: ['operator key'] },
  update_resource: { allowed: RESOURCE_WRITERS, named: onResource({ name: 'renamed' }), seesForeign: ['operator key'] },
  delete_resource: { allowed: RESOURCE_WRITERS, named: onResource(), seesForeign: ['operator key'] },
  presign_object: {
    allowed: CREDENTIAL_READERS,
    named: onResource({ operation: 'GET', key: 'a' }, 'token', {}, 'storage'),
    seesForeign: ['operator key'],
    successProvedBy: 'api/routes/presign.test.ts',
  },
  list_webhook_requests: {
    allowed: CREDENTIAL_READERS,
    named: onResource(undefined, 'token', {}, 'webhook'),
    seesForeign: ['operator key'],
  },
  get_webhook_request: {
    allowed: CREDENTIAL_READERS,
    named: onResource(undefined, 'token', { id: randomUUID() }, 'webhook'),
    seesForeign: ['operator key'],
  },
  replay_webhook_request: {
    allowed: RESOURCE_WRITERS,
    named: onResource({ url: 'https://example.com/' }, 'token', { id: randomUUID() }, 'webhook'),
    seesForeign: ['operator key'],
    successProvedBy: NO_INBOX,
  },
  update_webhook: {
    allowed: RESOURCE_WRITERS,
    named: onResource({ signature: null }, 'token', {}, 'webhook'),
    successProvedBy: NO_INBOX,
    seesForeign: ['operator key'],
  },

  me: { allowed: [...EVERY_TEAM, 'operator key'] },
  whoami: { allowed: [...EVERY_TEAM, 'operator key'] },
  logout: { allowed: PERSONS, body: () => ({}) },
  switch_team: {
    allowed: PERSONS,
    named: async ({ own, foreign }, whose) => ({
      path: {},
      body: { team_id: whose === 'own' ? own.id : whose === 'foreign' ? foreign.id : randomUUID() },
    }),
  },
  create_api_key: { allowed: ADMINS, body: () => ({ name: 'ci', scopes: ['read'] }) },
  list_api_keys: { allowed: [...ADMINS, ...READ_KEYS] },
  revoke_api_key: { allowed: [...ADMINS, 'admin key'], named: onApiKey },
  get_team: { allowed: TEAM_READERS },
  update_team: { allowed: ['owner', 'admin key'], body: () => ({ name: 'renamed' }) },
  list_members: { allowed: TEAM_READERS },
  update_member: { allowed: ['owner'], named: onMember({ role: 'member' }) },
  remove_member: { allowed: ADMINS, named: onMember() },
  create_invitation: { allowed: ADMINS, body: () => ({ email: 'new@people.test', role: 'member' }) },
  list_invitations: { allowed: [...ADMINS, ...READ_KEYS] },
  revoke_invitation: { allowed: ADMINS, named: onInvitation },
  preview_invitation: PUBLIC,
  accept_invitation: { allowed: PERSONS, named: onInvitationToken },
  list_audit: { allowed: [...ADMINS, 'admin key'] },
  export_audit: { allowed: [...ADMINS, 'admin key'] },

  exchange_id_token: PUBLIC,
  open_cli_sign_in: PUBLIC,
  poll_cli_sign_in: PUBLIC,
  show_cli_sign_in: PUBLIC,
  submit_cli_sign_in: PUBLIC,
  complete_cli_sign_in: { allowed: PERSONS, named: onCliSession },
  create_service_account: {
    allowed: ADMINS,
    body: () => ({ name: 'ci', issuer: OIDC_ISSUER, subject: randomUUID(), role: 'member', scopes: ['read'] }),
  },
  list_service_accounts: { allowed: [...ADMINS, ...READ_KEYS] },
  remove_service_account: { allowed: [...ADMINS, 'admin key'], named: onServiceAccount },
  list_team_events: { allowed: TEAM_READERS },
  notification_link: PUBLIC,
  notification_link_extend: PUBLIC,
  notification_link_unsubscribe_page: PUBLIC,
  notification_link_unsubscribe: PUBLIC,
  socket_team_events: { allowed: TEAM_READERS },

  claim: {
    allowed: ['anonymous', 'token', ...RESOURCE_WRITERS],
    named: async ({ world }) => ({
      path: {},
      body: { token: (await world.resource(null)).token, email: `${randomUUID()}@people.test` },
    }),
    isProof: true,
    successProvedBy: 'the tests of the claim: it is the workflow that takes it over',
  },
  preview_claim: { allowed: EVERYBODY, named: async () => ({ path: {}, query: `?tokens=${randomUUID()}` }), isProof: true },
  start: PUBLIC,
  start_claim: PUBLIC,
  list_webhook_subscriptions: { allowed: TEAM_READERS },
  create_webhook_subscription: { allowed: [...ADMINS, 'admin key'], body: () => ({ url: WEBHOOK_URL }) },
  get_webhook_subscription: { allowed: TEAM_READERS, named: onSubscription() },
  update_webhook_subscription: { allowed: [...ADMINS, 'admin key'], named: onSubscription({ enabled: false }) },
  delete_webhook_subscription: { allowed: [...ADMINS, 'admin key'], named: onSubscription() },
  rotate_webhook_subscription_secret: { allowed: [...ADMINS, 'admin key'], named: onSubscription({}) },
  list_webhook_deliveries: { allowed: TEAM_READERS, named: onSubscription() },
  retry_webhook_delivery: { allowed: [...ADMINS, 'admin key'], named: onDelivery },
  replay_webhook_subscription: { allowed: [...ADMINS, 'admin key'], named: onSubscription({}) },
  get_notification_settings: { allowed: TEAM_READERS },
  update_notification_settings: { allowed: [...ADMINS, 'admin key'], body: () => ({ email_roles: ['owner'] }) },
  rotate_notify_webhook_secret: { allowed: RESOURCE_WRITERS, named: onNotifiedResource, seesForeign: ['operator key'] },

  admin_list_resources: operatorReads,
  admin_suspend_resource: { allowed: OPERATORS, named: onResource({ reason: 'abuse' }), seesForeign: OPERATORS },
  admin_unsuspend_resource: { allowed: OPERATORS, named: onResource({}), seesForeign: OPERATORS },
  // The resource here is none on an open server, and who was let in is told so; `npm run demo -- providers` moves one that is.
  admin_isolate_resource: { allowed: OPERATORS, named: onResource({}), seesForeign: OPERATORS },
  admin_delete_resource: { allowed: OPERATORS, named: onResource({ reason: 'abuse' }), seesForeign: OPERATORS },
  admin_leaks: operatorReads,
  admin_list_policies: operatorReads,
  admin_list_dead_letters: operatorReads,
  // An event's id in place of a name; none is dead here.
  admin_replay_dead_letter: { allowed: [], successProvedBy: 'the tests of the outbox routes' },
  codec_encode: { allowed: OPERATORS, body: () => ({ payloads: [] }), successProvedBy: 'the tests of the codec endpoint' },
  codec_decode: { allowed: OPERATORS, body: () => ({ payloads: [] }), successProvedBy: 'the tests of the codec endpoint' },
  admin_put_policy: { allowed: OPERATORS, body: () => ({ ...POLICY, value: 7 }) },
  admin_delete_policy: { allowed: OPERATORS, named: onPolicy, isProof: true },
  admin_list_audit: operatorReads,
  admin_export_audit: operatorReads,
  admin_list_backends: operatorReads,
  admin_drain_backend: drain('postgres-tenants'),
  admin_undrain_backend: drain('postgres-tenants'),
  admin_drain_host: drain('host-1'),
  admin_undrain_host: drain('host-1'),

  livez: PUBLIC,
  healthz: PUBLIC,
  readyz: PUBLIC,
  metrics: PUBLIC,
  buildinfo: PUBLIC,
  capabilities: PUBLIC,
  openapi: PUBLIC,
  docs: PUBLIC,
  llms: PUBLIC,
  security_txt: PUBLIC,
};
