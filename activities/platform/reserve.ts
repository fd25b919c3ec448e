// The first of the two doors to a resource's row: quota, placement, name, token and first credential, in one transaction.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { claimHandle, generatePassword, hashToken, type Keyring, sealedFor } from '../../shared/crypto';
import { RESOURCE_COLUMNS, type ResourceRecord, resourceRowFromRecord, withTransaction } from '../../shared/db';
import type { ErrorCode, ErrorDetails } from '../../shared/errors';
import { resourceEvent, resourceEventId } from '../../shared/events';
import { isTerminal } from '../../shared/resourcestatus';
import type { ResourceKind, ResourceSpec } from '../../shared/resourcetype';
import { kindSlotsFull, lockKindSlots } from './kind-slots';
import { type Candidate, choosePlacement, eligible } from './placement';
import type { ReserveAnswer, ReserveRequest } from './types';
import { randomObjectName } from './upkeep';

export interface ReserveDependencies {
  pool: pg.Pool;
  keyring: Keyring;
  installationId: string;
  /** Which template a warm item for this resource must have been made from; null = none fits. */
  poolTemplateOf: (spec: Pick<ResourceSpec, 'kind' | 'limits' | 'options'>) => string | null;
  notify: (resourceId: string) => void;
}

/** More than can be under way at once, given the server's connections: so many may count the same free slots without a lock. */
const UNLOCKED_HEADROOM = 100;

class Rejected extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails,
  ) {
    super(message);
  }
}

export function createReserve(dependencies: ReserveDependencies): (request: ReserveRequest) => Promise<ReserveAnswer> {
  return async (request) => {
    const outcome = await reserveOrFind(dependencies, request).catch(asRejected);
    if (outcome.outcome !== 'rejected') dependencies.notify(request.spec.resourceId);
    return outcome;
  };
}

async function reserveOrFind(dependencies: ReserveDependencies, request: ReserveRequest): Promise<ReserveAnswer> {
  const { quota } = request.spec;
  const answer =
    quota.kindCount < 0 && quota.provisionsPerDay < 0
      ? await place(dependencies, request)
      : await reserveWithinQuota(dependencies, request);
  return answer ?? (await findOrReject(dependencies, request));
}

/** A value or a reference that the database refuses for what it is, it would refuse for ever. A unique violation is a race, and is tried again. */
function asRejected(error: Error & { code?: string }): ReserveAnswer {
  if (!/^(22|23503|23502|23514)/.test(error.code ?? '')) throw error;
  return { outcome: 'rejected', code: 'internal_error', message: 'The resource cannot be stored.', details: {} };
}

/** Where there is plenty of room nobody waits for anybody; the last slots are handed out one by one. */
async function place(dependencies: ReserveDependencies, request: ReserveRequest, client?: pg.PoolClient): Promise<ReserveAnswer | null> {
  const answer = await insertResource(dependencies, client ?? dependencies.pool, request, UNLOCKED_HEADROOM);
  if (answer !== null) return answer;
  const exactly = async (locked: pg.PoolClient) => {
    await locked.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`placement/${request.spec.kind}`]);
    return await insertResource(dependencies, locked, request, 0);
  };
  return client === undefined ? await withTransaction(dependencies.pool, exactly) : await exactly(client);
}

/** Counts under a lock that all of this owner's reservations of the kind take, so that parallel ones cannot both be the last. */
async function reserveWithinQuota(dependencies: ReserveDependencies, request: ReserveRequest): Promise<ReserveAnswer | null> {
  const { spec } = request;
  const owner = spec.owner.type === 'team' ? spec.owner.teamId : spec.owner.fingerprint;
  try {
    return await withTransaction(dependencies.pool, async (client) => {
      await lockKindSlots(client, owner, spec.kind);
      const { rowCount } = await client.query('SELECT 1 FROM resources WHERE id = $1', [spec.resourceId]);
      if (rowCount !== 0) return null;
      await takeKindSlot(client, request);
      await takeDailyProvision(client, request, owner);
      const answer = await place(dependencies, request, client);
      // Nothing was inserted: give the day's count back.
      if (answer === null) throw new Rejected('no_capacity', '', {});
      return answer;
    });
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    if (error.code === 'no_capacity') return null;
    return { outcome: 'rejected', code: error.code, message: error.message, details: error.details };
  }
}

async function takeKindSlot(client: pg.PoolClient, { spec }: ReserveRequest): Promise<void> {
  const full = await kindSlotsFull(client, { owner: spec.owner, kind: spec.kind, limit: spec.quota.kindCount, tier: spec.policy.tier });
  if (full !== null) throw new Rejected(full.code, full.message, full.details);
}

async function takeDailyProvision(client: pg.PoolClient, { spec, workflowStartedAtMs }: ReserveRequest, owner: string): Promise<void> {
  const limit = spec.quota.provisionsPerDay;
  if (limit < 0) return;
  const day = new Date(workflowStartedAtMs).toISOString().slice(0, 10);
  const { rowCount } = await client.query(
    `INSERT INTO provision_counts AS held (fingerprint, day, count) SELECT $1, $2, 1 WHERE $3 > 0
     ON CONFLICT (fingerprint, day) DO UPDATE SET count = held.count + 1 WHERE held.count < $3`,
    [owner, day, limit],
  );
  if (rowCount === 1) return;
  throw new Rejected('provision_limit_reached', `This network has made its ${limit} resources of today; claim one or come back tomorrow.`, {
    limit,
  });
}

// What is being moved to a backend, or away from it, has its row elsewhere.
const MOVING_SLOTS = `SELECT count(*) AS held FROM resources m
                        WHERE m.moving IS NOT NULL AND m.moving ->> 'backendName' = b.name AND m.status NOT IN ('deleted', 'failed')`;

// One statement, so one round trip and one transaction: the hot path of every provision.
const INSERT_RESOURCE = `
WITH placed AS (
  SELECT b.name, b.server_version, b.host_name FROM backends b
   CROSS JOIN LATERAL (SELECT count(*) AS held FROM resources r
                        WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed')) AS slots
   CROSS JOIN LATERAL (${MOVING_SLOTS}) AS moving
   WHERE b.name = $31 AND b.ready AND NOT b.drained AND slots.held + moving.held < b.capacity - $30::integer
), item AS (
  UPDATE pool_items SET state = 'claimed', claimed_by = $1, claimed_at = $12
   WHERE object_name = (SELECT p.object_name FROM pool_items p JOIN placed ON p.backend_name = placed.name
                         WHERE p.state = 'ready' AND p.kind = $2 AND p.template = $23 AND p.server_version = placed.server_version
                           AND NOT EXISTS (SELECT 1 FROM resources WHERE id = $1)
                         ORDER BY p.created_at LIMIT 1 FOR UPDATE OF p SKIP LOCKED)
  RETURNING object_name
), inserted AS (
  INSERT INTO resources (id, kind, name, env, labels, team_id, owner_fingerprint, owner_address_hash, tier, status, revision, generation, owner_run,
                         backend_name, object_name, from_pool, token_hash, token_encrypted, policy, limits, created_at, updated_at, expires_at,
                         covered_ms, parent_resource_id, notify_webhook, host_name, options, claim_hash)
  SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 1, $10, $11,
         placed.name, coalesce(item.object_name, $22), item.object_name IS NOT NULL, $14, $15, $16, $17, $12, $12, $13,
         $18, $19, $20, placed.host_name, $32, $36
    FROM placed LEFT JOIN item ON true
  ON CONFLICT (id) DO NOTHING
  RETURNING *
), credential AS (
  INSERT INTO resource_credentials (resource_id, version, username, password_encrypted)
  SELECT id, 1, object_name || '_1', $21 FROM inserted
), event AS (
  INSERT INTO resource_events (id, resource_id, revision, type, status, data, actor_type, actor_id, request_id, occurred_at)
  SELECT $24, id, 1, 'resource.reserved', 'pending', '{}', $25, $26, $28, $12 FROM inserted
), outbox AS (
  INSERT INTO outbox_events (id, resource_id, revision, type, payload) SELECT $24, id, 1, 'resource.reserved', $29 FROM inserted
), audit AS (
  INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, actor_role, actor_user_id, actor_credential, ip, action, target_type,
                          target_id, team_id, result, correlation_id)
  SELECT $24, $12, $25, $26, $27, $33, $34, $35, 'resource.create', 'resource', $1::text, $6, 'success', $28 FROM inserted
)
SELECT ${RESOURCE_COLUMNS} FROM inserted`;

// Slots are counted by rows, never by what a backend or Temporal lists.
const CANDIDATES = `
SELECT b.name, b.region, b.engine, b.host_name AS "hostName", b.capacity, b.weight, slots.held + moving.held AS held,
       b.drained, b.ready
  FROM backend_states b
 CROSS JOIN LATERAL (SELECT count(*) AS held FROM resources r
                      WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed')) AS slots
 CROSS JOIN LATERAL (${MOVING_SLOTS}) AS moving
 WHERE b.kind = $1`;

export async function candidatesFor(client: pg.Pool | pg.PoolClient, kind: ResourceKind): Promise<Candidate[]> {
  return (await client.query<Candidate>({ name: 'reserve-candidates', text: CANDIDATES, values: [kind] })).rows;
}

/** Null when nothing was inserted: the row is there already, or no backend has more than `headroom` free slots. */
async function insertResource(
  { keyring, installationId, poolTemplateOf }: ReserveDependencies,
  client: pg.Pool | pg.PoolClient,
  request: ReserveRequest,
  headroom: number,
): Promise<ReserveAnswer | null> {
  const { spec } = request;
  const placement = choosePlacement(await candidatesFor(client, spec.kind), { ...spec.options, headroom });
  if (placement === null) return null;
  const token = randomUUID();
  const startedAt = new Date(request.workflowStartedAtMs);
  const eventId = resourceEventId(spec.resourceId, 1);
  const reserved = { type: 'resource.reserved', data: {} } as const;
  const envelope = resourceEvent(reserved, {
    resource_id: spec.resourceId,
    resource_type: spec.kind,
    resource_name: spec.name,
    team_id: spec.owner.type === 'team' ? spec.owner.teamId : null,
    revision: 1,
    status: 'pending',
    occurred_at: startedAt.toISOString(),
    request_id: spec.requestId,
  });
  const { rows } = await client.query<ResourceRecord>({
    name: 'reserve-insert',
    text: INSERT_RESOURCE,
    values: [
      spec.resourceId,
      spec.kind,
      spec.name,
      spec.env,
      spec.labels,
      spec.owner.type === 'team' ? spec.owner.teamId : null,
      spec.owner.type === 'anonymous' ? spec.owner.fingerprint : null,
      spec.owner.type === 'anonymous' ? spec.owner.addressHash : null,
      spec.policy.tier,
      spec.generation,
      request.ownerRun,
      startedAt,
      request.expiresAtMs === null ? null : new Date(request.expiresAtMs),
      hashToken(token),
      keyring.encrypt(token, sealedFor.token(spec.resourceId)),
      spec.policy,
      spec.limits,
      request.expiresAtMs === null ? null : request.expiresAtMs - request.workflowStartedAtMs,
      spec.parentResourceId,
      spec.notifyWebhook,
      keyring.encrypt(generatePassword(), sealedFor.credential(spec.resourceId, 1)),
      randomObjectName(installationId),
      poolTemplateOf(spec),
      eventId,
      spec.actor.type,
      spec.actor.id,
      spec.actor.role ?? null,
      spec.requestId,
      envelope,
      headroom,
      placement.name,
      spec.options ?? {},
      spec.actor.userId ?? null,
      spec.actor.credential ?? null,
      spec.actor.ip ?? null,
      hashToken(claimHandle(token)),
    ],
  });
  const record = rows[0];
  return record === undefined ? null : { outcome: 'created', row: resourceRowFromRecord(record) };
}

/** Nothing was inserted: adopt the row that is there, or say why there is no place for one. */
async function findOrReject({ pool }: ReserveDependencies, request: ReserveRequest): Promise<ReserveAnswer> {
  const { spec, ownerRun } = request;
  return await withTransaction(pool, async (client) => {
    const { rows } = await client.query<ResourceRecord>(`SELECT ${RESOURCE_COLUMNS} FROM resources WHERE id = $1 FOR UPDATE`, [
      spec.resourceId,
    ]);
    const record = rows[0];
    if (record === undefined) return await noPlace(client, request);
    // A second attempt may have claimed a warm item that the first one's row does not use.
    await client.query(`UPDATE pool_items SET state = 'destroying' WHERE claimed_by = $1 AND object_name <> $2`, [
      record.id,
      record.object_name,
    ]);
    if (isTerminal(record.status)) return { outcome: 'terminal', row: resourceRowFromRecord(record) };
    if (record.owner_run === ownerRun) {
      return { outcome: record.status === 'pending' ? 'created' : 'adopted', row: resourceRowFromRecord(record) };
    }
    return await adopt(client, record, request);
  });
}

async function adopt(
  client: pg.PoolClient,
  record: ResourceRecord,
  { ownerRun, spec, workflowStartedAtMs }: ReserveRequest,
): Promise<ReserveAnswer> {
  const revision = record.revision + 1;
  const occurredAt = new Date(workflowStartedAtMs);
  const adopted = { type: 'resource.adopted', data: {} } as const;
  const envelope = resourceEvent(adopted, {
    resource_id: record.id,
    resource_type: record.kind,
    resource_name: record.name,
    team_id: record.team_id,
    revision,
    status: record.status,
    occurred_at: occurredAt.toISOString(),
    request_id: spec.requestId,
  });
  await client.query('UPDATE resources SET owner_run = $2, revision = $3, updated_at = $4 WHERE id = $1', [
    record.id,
    ownerRun,
    revision,
    occurredAt,
  ]);
  await client.query(
    `WITH event AS (
       INSERT INTO resource_events (id, resource_id, revision, type, status, data, actor_type, actor_id, request_id, occurred_at)
       VALUES ($1, $2, $3, 'resource.adopted', $4, '{}', $5, $6, $7, $8)
     ), audit AS (
       INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, action, target_type, target_id, team_id, result, correlation_id)
       VALUES ($1, $8, $5, $6, 'resource.adopted', 'resource', $2::text, $9, 'success', $7)
     )
     INSERT INTO outbox_events (id, resource_id, revision, type, payload) VALUES ($1, $2, $3, 'resource.adopted', $10)`,
    [envelope.id, record.id, revision, record.status, spec.actor.type, spec.actor.id, spec.requestId, occurredAt, record.team_id, envelope],
  );
  return { outcome: 'adopted', row: resourceRowFromRecord({ ...record, owner_run: ownerRun, revision }) };
}

async function noPlace(client: pg.PoolClient, { spec }: ReserveRequest): Promise<ReserveAnswer> {
  const candidates = await candidatesFor(client, spec.kind);
  if (eligible(candidates, spec.options ?? {}).length > 0) {
    return { outcome: 'rejected', code: 'no_capacity', message: `Every ${spec.kind} backend is full; try again later.`, details: {} };
  }
  return {
    outcome: 'rejected',
    code: 'service_disabled',
    message: `No ${spec.options?.engine ?? spec.kind} backend is ready on this installation; the operator can see why on /readyz.`,
    details: { kind: spec.kind },
  };
}
