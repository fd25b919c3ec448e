// The warm pool's activities: the planner keeps the rows, the filler makes and destroys what they name.
import type { Client } from '@temporalio/client';
import type { Pool, PoolClient } from 'pg';
import { withTransaction } from '../../shared/db';
import { poolWorkflowId, type RefillPoolInput, refillSignal } from '../../workflows/pool/messages';
import type { KindBackend } from '../backend';
import { withHeartbeat } from '../heartbeat';
import { decideRefill, type PoolItem, type PoolPlan, type PoolSituation } from './pool-plan';
import { type BackendObject, randomObjectName, type UpkeepLogger, type UpkeepMetrics } from './upkeep';

/** What the pool needs of a backend. */
export type PoolMaker = Required<Pick<KindBackend, 'createWarmItem'>> & Pick<KindBackend, 'destroyOrphan' | 'serverVersion'>;

export interface PoolSettings {
  /** Items made or destroyed between two plans. Default 4. */
  batchSize?: number;
  /** An item that is being made for longer is destroyed instead. Default 10 min. */
  giveUpAfterMs?: number;
}

export interface PoolPlannerDeps {
  pool: Pool;
  installationId: string;
  settings?: PoolSettings;
}

export interface RefillStep {
  /** Rows in state 'creating' that stand for these exist already. */
  create: string[];
  /** Rows in state 'destroying' likewise. */
  destroy: string[];
  ready: number;
  full: boolean;
}

export interface PoolPlanner {
  /** Brings the rows in line with the wish and says what is to be done on the backend. */
  planRefill(input: RefillPoolInput): Promise<RefillStep>;
}

export interface PoolFiller {
  createItems(request: { backendName: string; objectNames: string[] }): Promise<{ made: number }>;
  destroyItems(request: { backendName: string; objectNames: string[] }): Promise<{ destroyed: number }>;
}

const DEFAULT_BATCH_SIZE = 4;
const DEFAULT_GIVE_UP_MS = 10 * 60_000;

async function readItems(client: PoolClient, backendName: string): Promise<PoolItem[]> {
  const { rows } = await client.query<PoolItem>(
    `SELECT p.object_name AS "objectName", p.state, p.kind, p.template, p.server_version AS "serverVersion",
            (extract(epoch FROM now() - p.created_at) * 1000)::bigint AS "ageMs",
            CASE WHEN p.state <> 'claimed' THEN NULL
                 WHEN r.object_name IS DISTINCT FROM p.object_name THEN 'lost'
                 WHEN r.status IN ('deleted', 'failed') THEN 'terminal'
                 ELSE 'live' END AS claim
       FROM pool_items p LEFT JOIN resources r ON r.id = p.claimed_by
      WHERE p.backend_name = $1
        AND (p.state <> 'claimed' OR r.object_name IS DISTINCT FROM p.object_name OR r.status IN ('deleted', 'failed'))
      ORDER BY p.created_at, p.object_name`,
    [backendName],
  );
  return rows;
}

async function readSituation(client: PoolClient, input: RefillPoolInput, giveUpAfterMs: number): Promise<PoolSituation> {
  // One planner of a backend at a time, also when an attempt outlives its timeout.
  await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('pool/' || $1, 0))`, [input.backendName]);
  const { rows } = await client.query<PoolSituation['backend']>(
    `SELECT b.ready, b.drained OR coalesce(h.drained, false) AS drained, b.server_version AS "serverVersion"
       FROM backends b LEFT JOIN hosts h ON h.name = b.host_name WHERE b.name = $1`,
    [input.backendName],
  );
  return {
    wish: { kind: input.kind, template: input.template, target: input.target, refill: input.refill ?? true },
    // A backend that is in no file any more is drained.
    backend: rows[0] ?? { ready: false, drained: true, serverVersion: null },
    items: await readItems(client, input.backendName),
    giveUpAfterMs,
  };
}

/** A row that was claimed meanwhile is left alone: its state is compared again by the statement itself. */
async function writePlan(client: PoolClient, situation: PoolSituation, plan: PoolPlan): Promise<void> {
  const stateBefore = new Map(situation.items.map((item) => [item.objectName, item.state]));
  const doomed = plan.destroy.filter((name) => stateBefore.get(name) !== 'destroying');
  if (doomed.length + plan.forget.length === 0) return;
  await client.query(
    `UPDATE pool_items p SET state = 'destroying', claimed_by = NULL
       FROM unnest($1::text[], $2::text[]) AS planned (object_name, state)
      WHERE p.object_name = planned.object_name AND p.state = planned.state`,
    [doomed, doomed.map((name) => stateBefore.get(name))],
  );
  await client.query(
    `WITH gone AS (DELETE FROM pool_items WHERE object_name = ANY ($1::text[]) AND state = 'claimed'
                   RETURNING object_name, backend_name, claimed_by)
     INSERT INTO retired_names (object_name, backend_name, resource_id)
     SELECT object_name, backend_name, claimed_by FROM gone ON CONFLICT (object_name) DO NOTHING`,
    [plan.forget],
  );
}

async function insertItems(client: PoolClient, names: string[], input: RefillPoolInput, serverVersion: string | null): Promise<void> {
  await client.query(
    `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state)
     SELECT name, $2, $3, $4, $5, 'creating' FROM unnest($1::text[]) AS name`,
    [names, input.backendName, input.kind, input.template, serverVersion],
  );
}

/** For the lifecycle worker: touches the platform's database alone, so the workflow may run it as a local activity. */
export function createPoolPlanner(deps: PoolPlannerDeps): PoolPlanner {
  const batchSize = deps.settings?.batchSize ?? DEFAULT_BATCH_SIZE;
  const giveUpAfterMs = deps.settings?.giveUpAfterMs ?? DEFAULT_GIVE_UP_MS;
  return {
    planRefill: (input) =>
      withTransaction(deps.pool, async (client) => {
        const situation = await readSituation(client, input, giveUpAfterMs);
        const plan = decideRefill(situation);
        await writePlan(client, situation, plan);
        const finish = plan.finish.slice(0, batchSize);
        const begun = Array.from({ length: Math.min(plan.make, batchSize - finish.length) }, () => randomObjectName(deps.installationId));
        // The name is in its row before it is on the backend.
        if (begun.length > 0) await insertItems(client, begun, input, situation.backend.serverVersion);
        const full = plan.ready >= input.target || input.refill === false;
        return { create: [...finish, ...begun], destroy: plan.destroy.slice(0, batchSize), ready: plan.ready, full };
      }),
  };
}

export interface PoolFillerDeps {
  pool: Pool;
  poolMaker: PoolMaker;
  metrics: UpkeepMetrics;
  logger: UpkeepLogger;
}

async function itemOf(pool: Pool, objectName: string): Promise<{ state: string; template: string } | null> {
  const { rows } = await pool.query<{ state: string; template: string }>('SELECT state, template FROM pool_items WHERE object_name = $1', [
    objectName,
  ]);
  return rows[0] ?? null;
}

/** True when this call made the item ready. */
async function createItem(deps: PoolFillerDeps, item: BackendObject & { serverVersion: string }): Promise<boolean> {
  const { backendName, objectName, serverVersion } = item;
  const stillWanted = async () => (await itemOf(deps.pool, objectName))?.state === 'creating';
  const wanted = await itemOf(deps.pool, objectName);
  if (wanted?.state !== 'creating') return false;
  await deps.poolMaker.createWarmItem({ backendName, objectName, template: wanted.template, onlyIf: stillWanted });
  const { rowCount } = await deps.pool.query(
    `UPDATE pool_items SET state = 'ready', server_version = $2 WHERE object_name = $1 AND state = 'creating'`,
    [objectName, serverVersion],
  );
  if (rowCount === 1) {
    deps.metrics.poolItemsCreated.inc({ backend: backendName });
    return true;
  }
  // Made ready by another attempt, and perhaps claimed since: not ours any more. Without a row it is nobody's.
  if ((await itemOf(deps.pool, objectName)) === null) await deps.poolMaker.destroyOrphan({ backendName, objectName });
  return false;
}

async function destroyItem(deps: PoolFillerDeps, item: BackendObject): Promise<boolean> {
  if ((await itemOf(deps.pool, item.objectName))?.state !== 'destroying') return false;
  await deps.poolMaker.destroyOrphan({ backendName: item.backendName, objectName: item.objectName });
  const { rowCount } = await deps.pool.query(
    `WITH gone AS (DELETE FROM pool_items WHERE object_name = $1 AND state = 'destroying' RETURNING object_name, backend_name)
     INSERT INTO retired_names (object_name, backend_name) SELECT object_name, backend_name FROM gone
     ON CONFLICT (object_name) DO NOTHING`,
    [item.objectName],
  );
  if (rowCount !== 1) return false;
  deps.metrics.poolItemsDestroyed.inc({ backend: item.backendName });
  return true;
}

/** How many changed. One item's fault must not keep the others back: it is thrown only where none had more luck. */
async function inTurn(deps: PoolFillerDeps, objectNames: string[], work: (objectName: string) => Promise<boolean>): Promise<number> {
  let changed = 0;
  let fault: unknown = null;
  await withHeartbeat(async (cancelled) => {
    for (const objectName of objectNames) {
      cancelled.throwIfAborted();
      try {
        if (await work(objectName)) changed += 1;
      } catch (error) {
        fault = error;
        deps.logger.warn('a warm item failed', { objectName, error: error instanceof Error ? error.message : String(error) });
      }
    }
  });
  if (fault !== null && changed === 0) throw fault;
  return changed;
}

/** For the kind's worker: one item after the other. */
export function createPoolFiller(deps: PoolFillerDeps): PoolFiller {
  return {
    async createItems({ backendName, objectNames }) {
      const serverVersion = await deps.poolMaker.serverVersion(backendName);
      // A server that was upgraded under us: the next plan destroys what the old one made.
      await deps.pool.query('UPDATE backends SET server_version = $2 WHERE name = $1 AND server_version IS DISTINCT FROM $2', [
        backendName,
        serverVersion,
      ]);
      return { made: await inTurn(deps, objectNames, (objectName) => createItem(deps, { backendName, objectName, serverVersion })) };
    },
    async destroyItems({ backendName, objectNames }) {
      return { destroyed: await inTurn(deps, objectNames, (objectName) => destroyItem(deps, { backendName, objectName })) };
    },
  };
}

/** Between two wake-ups of one pool. */
const WAKE_INTERVAL_MS = 250;

/**
 * Tells a backend's pool that an item was claimed; many claims are one signal. Best effort and never in the way:
 * a pool that is not told looks by itself, at the latest after half a minute.
 */
export function createPoolWaker(client: () => Client): (backendName: string) => void {
  const waiting = new Set<string>();
  return (backendName) => {
    if (waiting.has(backendName)) return;
    waiting.add(backendName);
    const connected = client();
    setTimeout(() => {
      waiting.delete(backendName);
      connected.workflow
        .getHandle(poolWorkflowId(backendName))
        .signal(refillSignal)
        .catch(() => undefined);
    }, WAKE_INTERVAL_MS).unref();
  };
}
