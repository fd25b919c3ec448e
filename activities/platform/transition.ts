// The second door to a resource's row: one transition is its row, event, outbox and audit rows, in one transaction.
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import { RESOURCE_COLUMNS, type ResourceRecord, resourceRowFromRecord, withTransaction } from '../../shared/db';
import { resourceEvent } from '../../shared/events';
import { activeTraceparent } from '../../shared/telemetry';
import { kindSlotsFull, lockKindSlots } from './kind-slots';
import type { TransitionAnswer, TransitionRequest, WrittenEvent } from './types';

export interface TransitionDependencies {
  pool: pg.Pool;
  notify: (resourceId: string) => void;
  /** Told of each transition once: by the attempt that wrote it. */
  onWritten?: (request: TransitionRequest) => void;
}

// Compared and set: only the run that owns the row, and only from the revision before. One statement, one transaction.
const TRANSITION = `
WITH updated AS (
  UPDATE resources
     SET revision = $3, status = $4, name = $5, labels = $6, team_id = $7, owner_fingerprint = $8, owner_address_hash = $9, tier = $10,
         policy = $11, limits = $12, expires_at = $13, covered_ms = $14,
         paused_at = CASE WHEN NOT $15 THEN NULL ELSE coalesce(paused_at, $16) END, paused_by_owner = $15,
         suspended_reason = $17, read_only_by_quota = $18, credential_version = $19, retiring_version = $20, retiring_until = $21,
         backend_name = $39, moving = $40,
         failure_code = coalesce($22, failure_code), failure_message = coalesce($23, failure_message), updated_at = $16
   WHERE id = $1 AND owner_run = $2 AND revision = $3 - 1
  RETURNING id, object_name, backend_name, team_id
), event AS (
  INSERT INTO resource_events (id, resource_id, revision, type, status, data, actor_type, actor_id, request_id, occurred_at)
  SELECT $24, id, $3, $25, $4, $26, $27, $28, $30, $16 FROM updated
), outbox AS (
  INSERT INTO outbox_events (id, resource_id, revision, type, payload, traceparent) SELECT $24, id, $3, $25, $31, $38 FROM updated
), audit AS (
  INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, actor_role, actor_user_id, actor_credential, ip, action, target_type,
                          target_id, team_id, result, correlation_id, data)
  SELECT $24, $16, $27, $28, $29, $35, $36, $37, $25, 'resource', id::text, team_id,
         CASE WHEN $25 = 'resource.command_refused' THEN 'denied' ELSE 'success' END, $30,
         $26::jsonb || CASE WHEN $34::text IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('command_id', $34::text) END
    FROM updated
), retired AS (
  INSERT INTO retired_names (object_name, backend_name, resource_id) SELECT object_name, backend_name, id FROM updated WHERE $32
  ON CONFLICT DO NOTHING
), spent AS (
  DELETE FROM pool_items USING updated WHERE $32 AND pool_items.object_name = updated.object_name
), forgotten AS (
  DELETE FROM resource_connections USING updated WHERE $32 AND resource_connections.resource_id = updated.id
), moved AS (
  UPDATE resource_connections SET details = $41 FROM updated WHERE $41::jsonb IS NOT NULL AND resource_connections.resource_id = updated.id
), expired_credential AS (
  DELETE FROM resource_credentials USING updated WHERE resource_id = updated.id AND (version < $33 OR $32)
)
SELECT count(*) AS changed FROM updated`;

export function createTransition({
  pool,
  notify,
  onWritten,
}: TransitionDependencies): (request: TransitionRequest) => Promise<TransitionAnswer> {
  return async (request) => {
    const { row } = request;
    const { envelope, values } = statementOf(request);
    const write = async (client: pg.Pool | pg.PoolClient) => {
      const { rows } = await client.query<{ changed: number }>({ name: 'transition', text: TRANSITION, values }).catch(asFinal);
      return rows[0]?.changed === 1;
    };
    const written = request.kindCount === undefined ? await write(pool) : await takeSlotAnd(pool, request, request.kindCount, write);
    if (!written) return await explainMismatch(pool, request, envelope.id);
    notify(row.resourceId);
    onWritten?.(request);
    return { outcome: 'written' };
  };
}

/** A claim takes one of its new owner's slots: counted under the lock that their own reservations take, in the transaction that writes. */
async function takeSlotAnd(
  pool: pg.Pool,
  { row }: TransitionRequest,
  limit: number,
  write: (client: pg.PoolClient) => Promise<boolean>,
): Promise<boolean> {
  if (row.owner.type !== 'team') throw ApplicationFailure.nonRetryable('A claim names a team.', 'internal_error');
  const { owner, kind, policy } = row;
  return await withTransaction(pool, async (client) => {
    await lockKindSlots(client, owner.teamId, kind);
    const { rows } = await client.query<{ revision: number }>('SELECT revision FROM resources WHERE id = $1', [row.resourceId]);
    // Written by an attempt before this one, which counted, or gone another way: nothing is left to count for.
    if (rows[0]?.revision !== row.revision - 1) return false;
    const full = await kindSlotsFull(client, { owner, kind, limit, tier: policy.tier });
    if (full !== null) throw ApplicationFailure.nonRetryable(full.message, full.code, full.details);
    return await write(client);
  });
}

/** Nothing was written: because it was already, because the row went another way, or because another run owns it. */
async function explainMismatch(
  pool: pg.Pool,
  { row, ownerRun, event, commandId }: TransitionRequest,
  eventId: string,
): Promise<TransitionAnswer> {
  const { rows } = await pool.query<ResourceRecord>(`SELECT ${RESOURCE_COLUMNS} FROM resources WHERE id = $1`, [row.resourceId]);
  const stored = rows[0];
  if (stored === undefined || stored.owner_run !== ownerRun) return { outcome: 'superseded' };
  // The audit row of an event has its id, and names the command.
  const since = await pool.query<WrittenEvent & { id: string }>(
    `SELECT event.id, event.type, event.data, audit.data ->> 'command_id' AS "commandId"
       FROM resource_events event LEFT JOIN audit_logs audit ON audit.id = event.id
      WHERE event.resource_id = $1 AND event.revision >= $2 ORDER BY event.revision`,
    [row.resourceId, row.revision],
  );
  const events = since.rows.map(({ type, commandId: writtenFor, data }) => ({ type, commandId: writtenFor, data }));
  const same = since.rows.some((written) => written.id === eventId && written.type === event.type && written.commandId === commandId);
  if (!same) return { outcome: 'moved', row: resourceRowFromRecord(stored), events };
  // An attempt that timed out, or died, after it took effect; what it did after that is found again step by step.
  return stored.revision === row.revision ? { outcome: 'written', row: resourceRowFromRecord(stored) } : { outcome: 'written' };
}

/** A value or a reference that the database refuses for what it is, it would refuse for ever. */
function asFinal(error: Error & { code?: string }): never {
  if (!/^(22|23502|23503|23514)/.test(error.code ?? '')) throw error;
  throw ApplicationFailure.nonRetryable('The change cannot be stored.', 'internal_error');
}

function statementOf({ row, ownerRun, event, actor, requestId, commandId, atMs, details }: TransitionRequest) {
  const at = new Date(atMs);
  const terminal = row.status === 'deleted' || row.status === 'failed';
  const envelope = resourceEvent(event, {
    resource_id: row.resourceId,
    resource_type: row.kind,
    resource_name: row.name,
    team_id: row.owner.type === 'team' ? row.owner.teamId : null,
    revision: row.revision,
    status: row.status,
    occurred_at: at.toISOString(),
    request_id: requestId,
  });
  const failure = event.type === 'resource.failed' ? event.data : null;
  const oldestCredential = row.retiring?.version ?? row.credentialVersion;
  const values = [
    row.resourceId,
    ownerRun,
    row.revision,
    row.status,
    row.name,
    row.labels,
    row.owner.type === 'team' ? row.owner.teamId : null,
    row.owner.type === 'anonymous' ? row.owner.fingerprint : null,
    row.owner.type === 'anonymous' ? row.owner.addressHash : null,
    row.policy.tier,
    row.policy,
    row.limits,
    row.expiresAtMs === null ? null : new Date(row.expiresAtMs),
    row.coveredMs,
    row.pausedByOwner,
    at,
    row.suspendedReason,
    row.readOnlyByQuota,
    row.credentialVersion,
    row.retiring?.version ?? null,
    row.retiring === null ? null : new Date(row.retiring.untilMs),
    failure?.code ?? null,
    failure?.message ?? null,
    envelope.id,
    event.type,
    event.data,
    actor.type,
    actor.id,
    actor.role ?? null,
    requestId,
    envelope,
    terminal,
    oldestCredential,
    commandId,
    actor.userId ?? null,
    actor.credential ?? null,
    actor.ip ?? null,
    activeTraceparent(),
    row.backendName,
    row.moving ?? null,
    details ?? null,
  ];
  return { envelope, values };
}
