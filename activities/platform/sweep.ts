// The sweep's activities: objects that nobody owns, and rows that no workflow looks after.
import { Context } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Pool } from 'pg';
import { v5 as uuidv5 } from 'uuid';
import { RESOURCE_COLUMNS, type ResourceRecord, specFromRecord, withTransaction } from '../../shared/db';
import { LIFECYCLE_TASK_QUEUE, objectNamePrefix, type ResourceSpec } from '../../shared/resourcetype';
import { RESOURCE_WORKFLOW_TYPE, resourceWorkflowId } from '../../workflows/resource/messages';
import type { KindBackend } from '../backend';
import { HEARTBEAT_INTERVAL_MS, withHeartbeat } from '../heartbeat';
import { forEachLimited } from '../limited';
import { type NameFacts, type OrphanReason, orphanReason, planRemovals, type SightedOrphan } from './orphans';
import type { BackendObject, UpkeepLogger, UpkeepMetrics } from './upkeep';

export interface BackendSweepDeps {
  pool: Pool;
  backend: Pick<KindBackend, 'list' | 'destroyOrphan'>;
  installationId: string;
  metrics: UpkeepMetrics;
  logger: UpkeepLogger;
}

export interface SightRequest {
  backendName: string;
  /** Between the two sweeps that must agree. */
  orphanMinimumAgeMs: number;
  /** An operator's word that the many unknown objects are leaks indeed. */
  removeHeld: boolean;
}

export interface Sightings {
  listed: number;
  orphans: number;
  held: number;
  due: { objectName: string; reason: OrphanReason }[];
}

export interface BackendSweep {
  sightOrphans(request: SightRequest): Promise<Sightings>;
  removeOrphan(request: BackendObject & { orphanMinimumAgeMs: number }): Promise<{ removed: boolean }>;
}

const LOOK_UP_CHUNK = 1_000;
/** Namespace of the ids of audit rows: a repeated removal is one entry. */
const AUDIT_NAMESPACE = '7d0f2a3e-5d0b-4f0e-9c55-0d4f1f6f5b1e';

async function lookUp(pool: Pool, objectNames: string[]): Promise<NameFacts[]> {
  const { rows } = await pool.query<NameFacts>(
    `SELECT listed.name AS "objectName", r.status AS "resourceStatus", p.state AS "poolState", t.object_name IS NOT NULL AS retired
       FROM unnest($1::text[]) AS listed (name)
       LEFT JOIN resources r ON r.object_name = listed.name
       LEFT JOIN pool_items p ON p.object_name = listed.name
       LEFT JOIN retired_names t ON t.object_name = listed.name`,
    [objectNames],
  );
  return rows;
}

/** Every orphan among the names; in chunks, each a short statement. */
async function findOrphans(pool: Pool, objectNames: string[]): Promise<Map<string, OrphanReason>> {
  const orphans = new Map<string, OrphanReason>();
  for (let start = 0; start < objectNames.length; start += LOOK_UP_CHUNK) {
    for (const facts of await lookUp(pool, objectNames.slice(start, start + LOOK_UP_CHUNK))) {
      const reason = orphanReason(facts);
      if (reason !== null) orphans.set(facts.objectName, reason);
    }
  }
  return orphans;
}

/** Notes what was seen, forgets what is no orphan any more, and says which ones were seen long enough ago. */
async function recordSightings(
  pool: Pool,
  request: { backendName: string; names: string[]; listedAt: Date; minimumAgeMs: number },
): Promise<Set<string>> {
  return withTransaction(pool, async (client) => {
    await client.query('DELETE FROM orphan_sightings WHERE backend_name = $1 AND object_name <> ALL ($2::text[])', [
      request.backendName,
      request.names,
    ]);
    const { rows } = await client.query<{ object_name: string; overdue: boolean }>(
      `INSERT INTO orphan_sightings (backend_name, object_name, first_seen_at, last_seen_at)
       SELECT $1, name, now(), now() FROM unnest($2::text[]) AS name ORDER BY name
       ON CONFLICT (backend_name, object_name) DO UPDATE SET last_seen_at = now()
       RETURNING object_name, first_seen_at <= $3::timestamptz - $4 * interval '1 millisecond' AS overdue`,
      [request.backendName, request.names, request.listedAt, request.minimumAgeMs],
    );
    return new Set(rows.filter((row) => row.overdue).map((row) => row.object_name));
  });
}

async function sightOrphans(deps: BackendSweepDeps, request: SightRequest): Promise<Sightings> {
  const { backendName } = request;
  // The database's clock, read before the listing and written after it: two sightings are never closer than they look.
  const { rows } = await deps.pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const listedAt = rows[0]?.now ?? new Date(0);
  // The listing comes first: a name has its row before it has its object, so whatever is listed and has no row has none to come.
  const prefix = objectNamePrefix(deps.installationId);
  const names = (await deps.backend.list(backendName)).filter((name) => name.startsWith(prefix));
  const reasons = await findOrphans(deps.pool, names);
  const sighting = { backendName, names: [...reasons.keys()], listedAt, minimumAgeMs: request.orphanMinimumAgeMs };
  const overdue = await recordSightings(deps.pool, sighting);
  const orphans = [...reasons].map(([objectName, reason]): SightedOrphan => ({ objectName, reason, overdue: overdue.has(objectName) }));
  const { due, held } = planRemovals({ listed: names.length, orphans, removeHeld: request.removeHeld });
  if (held > 0) {
    deps.metrics.orphansHeld.inc({ backend: backendName }, held);
    deps.logger.error('orphans are held: most of this backend is unknown; was the platform database restored?', { backendName, held });
  }
  return { listed: names.length, orphans: orphans.length, held, due };
}

/** What a removal leaves behind: the audit entry, the retired name, no sighting. Once, however often it is repeated. */
async function recordRemoval(
  deps: BackendSweepDeps,
  object: BackendObject,
  orphan: { reason: OrphanReason; firstSeenAt: Date },
): Promise<void> {
  const { backendName, objectName } = object;
  const id = uuidv5(`${backendName}/${objectName}/${orphan.firstSeenAt.toISOString()}`, AUDIT_NAMESPACE);
  const recorded = await withTransaction(deps.pool, async (client) => {
    const { rowCount } = await client.query(
      `INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, action, target_type, target_id, result, data)
       VALUES ($1, now(), 'system', 'sweep', 'sweep.orphan_removed', 'backend_object', $2, 'success', $3) ON CONFLICT (id) DO NOTHING`,
      [id, objectName, { backend: backendName, reason: orphan.reason, first_seen_at: orphan.firstSeenAt.toISOString() }],
    );
    await client.query('INSERT INTO retired_names (object_name, backend_name) VALUES ($1, $2) ON CONFLICT (object_name) DO NOTHING', [
      objectName,
      backendName,
    ]);
    await forgetSighting(client, object);
    return rowCount === 1;
  });
  if (!recorded) return;
  deps.metrics.leaked.inc({ backend: backendName, reason: orphan.reason });
  deps.logger.warn('an orphan was removed', { backendName, objectName, reason: orphan.reason });
}

async function forgetSighting(client: Pick<Pool, 'query'>, object: BackendObject): Promise<void> {
  await client.query('DELETE FROM orphan_sightings WHERE backend_name = $1 AND object_name = $2', [object.backendName, object.objectName]);
}

async function removeOrphan(deps: BackendSweepDeps, request: BackendObject & { orphanMinimumAgeMs: number }): Promise<boolean> {
  const { backendName, objectName, orphanMinimumAgeMs } = request;
  if (!objectName.startsWith(objectNamePrefix(deps.installationId))) return false;
  const { rows } = await deps.pool.query<{ first_seen_at: Date }>(
    `SELECT first_seen_at FROM orphan_sightings
      WHERE backend_name = $1 AND object_name = $2 AND first_seen_at <= now() - $3 * interval '1 millisecond'`,
    [backendName, objectName, orphanMinimumAgeMs],
  );
  const firstSeenAt = rows[0]?.first_seen_at;
  if (firstSeenAt === undefined) return false;
  const reasonNow = async (): Promise<OrphanReason | null> => {
    const [facts] = await lookUp(deps.pool, [objectName]);
    return facts === undefined ? null : orphanReason(facts);
  };
  const reason = await reasonNow();
  if (reason === null) {
    await forgetSighting(deps.pool, request);
    return false;
  }
  let spared = false;
  const onlyIf = async (): Promise<boolean> => {
    spared = (await reasonNow()) === null;
    return !spared;
  };
  await deps.backend.destroyOrphan({ backendName, objectName, onlyIf });
  if (spared) await forgetSighting(deps.pool, request);
  else await recordRemoval(deps, { backendName, objectName }, { reason, firstSeenAt });
  return !spared;
}

/** For the kind's worker. */
export function createBackendSweep(deps: BackendSweepDeps): BackendSweep {
  return {
    sightOrphans: (request) => withHeartbeat(() => sightOrphans(deps, request)),
    removeOrphan: (request) => withHeartbeat(async () => ({ removed: await removeOrphan(deps, request) })),
  };
}

export interface RowSweepDeps {
  pool: Pool;
  /** Inside a worker: `getClient` of `@temporalio/activity`. */
  client: () => Client;
  metrics: UpkeepMetrics;
  logger: UpkeepLogger;
  /** Rows looked up at once. Default 500. */
  pageSize?: number;
}

export interface RowSweep {
  /** Starts the workflow of every non-terminal row that has none. */
  restartLostWorkflows(request: { minimumAgeMs: number }): Promise<RowSweepReport>;
}

export interface RowSweepReport {
  checked: number;
  restarted: number;
}

interface RowSweepProgress extends RowSweepReport {
  /** The last page's end; a new attempt goes on from there. */
  afterId: string;
}

const DESCRIBES_AT_ONCE = 8;
const LOWEST_ID = '00000000-0000-0000-0000-000000000000';
const LIVE_EXECUTIONS: readonly string[] = ['RUNNING', 'PAUSED', 'CONTINUED_AS_NEW'];

async function hasWorkflow(client: Client, resourceId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(resourceWorkflowId(resourceId)).describe();
    return LIVE_EXECUTIONS.includes(status.name);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** A run that finds the row and adopts it; where one lives already it is left alone. */
async function startAdoption(client: Client, spec: ResourceSpec): Promise<void> {
  await client.workflow.start(RESOURCE_WORKFLOW_TYPE, {
    workflowId: resourceWorkflowId(spec.resourceId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ spec }],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `${spec.kind} "${spec.name}" · ${spec.policy.tier} · adopted`,
    priority: {
      fairnessKey: spec.owner.type === 'team' ? spec.owner.teamId : spec.owner.fingerprint.slice(0, 64),
      fairnessWeight: spec.policy.fairnessWeight,
    },
  });
}

/** True when a workflow was started. The row is read again, since it may have ended between the list and the look. */
async function restartIfLost(deps: RowSweepDeps, resourceId: string): Promise<boolean> {
  if (await hasWorkflow(deps.client(), resourceId)) return false;
  const { rows } = await deps.pool.query<ResourceRecord>(
    `SELECT ${RESOURCE_COLUMNS} FROM resources WHERE id = $1 AND status NOT IN ('deleted', 'failed')`,
    [resourceId],
  );
  const record = rows[0];
  if (record === undefined) return false;
  await startAdoption(deps.client(), specFromRecord(record, { actor: { type: 'system', id: 'sweep' }, requestId: 'sweep' }));
  deps.metrics.workflowsRestarted.inc();
  deps.logger.warn('a resource without a workflow was given one', { resourceId, status: record.status });
  return true;
}

async function readPage(deps: RowSweepDeps, request: { afterId: string; minimumAgeMs: number }): Promise<string[]> {
  const { rows } = await deps.pool.query<{ id: string }>(
    `SELECT id FROM resources
      WHERE id > $1 AND status NOT IN ('deleted', 'failed') AND updated_at < now() - $2 * interval '1 millisecond'
      ORDER BY id LIMIT $3`,
    [request.afterId, request.minimumAgeMs, deps.pageSize ?? 500],
  );
  return rows.map((row) => row.id);
}

/** For the lifecycle worker. */
export function createRowSweep(deps: RowSweepDeps): RowSweep {
  return {
    async restartLostWorkflows({ minimumAgeMs }) {
      const context = Context.current();
      const before: RowSweepProgress | undefined = context.info.heartbeatDetails;
      const progress: RowSweepProgress = before ?? { afterId: LOWEST_ID, checked: 0, restarted: 0 };
      const beat = setInterval(() => context.heartbeat({ ...progress }), HEARTBEAT_INTERVAL_MS);
      try {
        await restartAll(deps, { minimumAgeMs, progress, cancelled: context.cancellationSignal });
      } finally {
        clearInterval(beat);
      }
      return { checked: progress.checked, restarted: progress.restarted };
    },
  };
}

async function restartAll(
  deps: RowSweepDeps,
  request: { minimumAgeMs: number; progress: RowSweepProgress; cancelled: AbortSignal },
): Promise<void> {
  const { minimumAgeMs, progress, cancelled } = request;
  for (;;) {
    cancelled.throwIfAborted();
    const page = await readPage(deps, { afterId: progress.afterId, minimumAgeMs });
    const last = page.at(-1);
    if (last === undefined) return;
    await forEachLimited(page, DESCRIBES_AT_ONCE, async (id) => {
      if (await restartIfLost(deps, id)) progress.restarted += 1;
    });
    progress.checked += page.length;
    progress.afterId = last;
  }
}
