// The meter: what every object of a backend holds, kept as samples, and what follows from it for its resource.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Pool } from 'pg';
import { resourceWorkflowId, storageSignal } from '../../workflows/resource/messages';
import type { BackendInventory, MeasuredObject } from '../backend';
import { withHeartbeat } from '../heartbeat';
import { forEachLimited } from '../limited';
import { decideQuota, type QuotaThresholds, quotaCommandId } from './quota';
import type { QuotaFinding } from './types';
import type { UpkeepLogger, UpkeepMetrics } from './upkeep';

export interface MeasureRequest {
  backendName: string;
  /** The workflow's time, so that a repeated attempt writes the same sample. */
  measuredAtMs: number;
  thresholds: QuotaThresholds;
}

export interface Measurement {
  measured: number;
  /** At most 500; what is over waits for the next measurement. */
  findings: QuotaFinding[];
}

export interface Meter {
  measureBackend(request: MeasureRequest): Promise<Measurement>;
}

export interface MeterDeps {
  pool: Pool;
  backend: Pick<BackendInventory, 'measureAll'>;
}

interface MeasuredRow {
  id: string;
  bytes: number;
  limitMb: number | null;
  readOnlyByQuota: boolean;
  suspendedReason: string | null;
  commandsToday: number | null;
  commandsPerDay: number | null;
  live: boolean;
}

/** Few enough that no transition waits long for its row. */
const ROWS_PER_STATEMENT = 500;
const MOST_FINDINGS = 500;

/**
 * A sample is kept when the size has changed, and once an hour in any case: between two samples it did not change, so
 * the curve is whole and an idle resource costs 24 rows a day.
 */
const RECORD = `
WITH known AS (
  SELECT r.id, m.bytes, m.commands, r.storage_bytes, r.commands_today, r.measured_at
    FROM unnest($1::text[], $2::bigint[], $5::bigint[]) AS m (object_name, bytes, commands)
    JOIN resources r ON r.object_name = m.object_name
   WHERE r.backend_name = $3 AND r.status NOT IN ('deleted', 'failed') AND (r.measured_at IS NULL OR r.measured_at <= $4)
), sampled AS (
  INSERT INTO usage_samples (resource_id, measured_at, metric, value)
  SELECT id, $4, 'storage_bytes', bytes FROM known
   WHERE measured_at IS NULL OR bytes <> storage_bytes OR date_trunc('hour', measured_at) < date_trunc('hour', $4::timestamptz)
  ON CONFLICT DO NOTHING
), counted AS (
  INSERT INTO usage_samples (resource_id, measured_at, metric, value)
  SELECT id, $4, 'commands_today', commands FROM known WHERE commands IS DISTINCT FROM commands_today AND commands IS NOT NULL
  ON CONFLICT DO NOTHING
)
UPDATE resources r SET storage_bytes = known.bytes, commands_today = known.commands, measured_at = $4 FROM known WHERE r.id = known.id
RETURNING r.id, r.storage_bytes AS bytes,
          -- A server of one's own keeps to its memory by itself; on a shared one nobody else does.
          coalesce(r.limits ->> 'storageMb', CASE WHEN r.host_name IS NULL THEN r.limits ->> 'memoryMb' END)::float8 AS "limitMb", r.read_only_by_quota AS "readOnlyByQuota",
          r.suspended_reason AS "suspendedReason", r.commands_today AS "commandsToday", (r.limits ->> 'commandsPerDay')::float8 AS "commandsPerDay", r.status IN ('active', 'paused', 'suspended') AS live`;

async function record(pool: Pool, request: MeasureRequest, objects: MeasuredObject[]): Promise<MeasuredRow[]> {
  const { rows } = await pool.query<MeasuredRow>(RECORD, [
    objects.map((object) => object.objectName),
    objects.map((object) => Math.round(object.bytes)),
    request.backendName,
    new Date(request.measuredAtMs),
    objects.map(({ commandsToday }) => (commandsToday === undefined ? null : Math.round(commandsToday))),
  ]);
  return rows;
}

function findingOf(row: MeasuredRow, thresholds: QuotaThresholds): QuotaFinding | null {
  // The others are cut or going: there is nothing left to restrain.
  if (!row.live) return null;
  const action = decideQuota({ ...row, thresholds });
  return action === null ? null : { resourceId: row.id, bytes: row.bytes, action };
}

/** For the kind's worker. */
export function createMeter(deps: MeterDeps): Meter {
  return {
    measureBackend: (request) =>
      withHeartbeat(async (cancelled) => {
        const objects = await deps.backend.measureAll(request.backendName);
        const findings: QuotaFinding[] = [];
        let measured = 0;
        for (let start = 0; start < objects.length; start += ROWS_PER_STATEMENT) {
          cancelled.throwIfAborted();
          const rows = await record(deps.pool, request, objects.slice(start, start + ROWS_PER_STATEMENT));
          measured += rows.length;
          findings.push(...rows.map((row) => findingOf(row, request.thresholds)).filter((finding) => finding !== null));
        }
        return { measured, findings: findings.slice(0, MOST_FINDINGS) };
      }),
  };
}

export interface QuotaReporter {
  /** Tells each resource's workflow; one that has none is the sweep's business. */
  reportFindings(request: { findings: QuotaFinding[]; measuredAtMs: number }): Promise<{ reported: number }>;
}

export interface QuotaReporterDeps {
  /** Inside a worker: `getClient` of `@temporalio/activity`. */
  client: () => Client;
  metrics: UpkeepMetrics;
  logger: UpkeepLogger;
}

const SIGNALS_AT_ONCE = 8;

/** For the lifecycle worker. */
export function createQuotaReporter(deps: QuotaReporterDeps): QuotaReporter {
  const report = async (finding: QuotaFinding, measuredAtMs: number): Promise<boolean> => {
    const { resourceId, bytes, action } = finding;
    const commandId = quotaCommandId({ resourceId, action, measuredAtMs });
    try {
      await deps.client().workflow.getHandle(resourceWorkflowId(resourceId)).signal(storageSignal, { bytes, action, commandId });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      deps.logger.warn('a quota finding has no workflow to go to', { resourceId, action });
      return false;
    }
    deps.metrics.quotaFindings.inc({ action });
    deps.logger.info('a storage threshold was crossed', { resourceId, action, bytes });
    return true;
  };
  return {
    reportFindings: ({ findings, measuredAtMs }) =>
      withHeartbeat(async () => {
        let reported = 0;
        await forEachLimited(findings, SIGNALS_AT_ONCE, async (finding) => {
          if (await report(finding, measuredAtMs)) reported += 1;
        });
        return { reported };
      }),
  };
}
