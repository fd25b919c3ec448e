// Where a request left its id besides the logs: the platform's tables, the workflows they name, the stream of events.
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import type pg from 'pg';

export interface Place {
  /** What was found, one line each; empty = not found. */
  found: string[];
  /** Why nothing could be looked up. */
  unreachable?: string;
}

export interface OutboxRow {
  id: string;
  resource_id: string;
  type: string;
  traceparent: string | null;
  created_at: Date;
  published_at: Date | null;
  dead_lettered_at: Date | null;
}

export async function outboxRows(pool: pg.Pool, requestId: string): Promise<OutboxRow[]> {
  // The events' index leads to the rows; the payload alone would mean reading every one.
  const { rows } = await pool.query<OutboxRow>(
    `SELECT o.id, o.resource_id, o.type, o.traceparent, o.created_at, o.published_at, o.dead_lettered_at
       FROM resource_events e JOIN outbox_events o ON o.id = e.id WHERE e.request_id = $1 ORDER BY e.occurred_at, e.revision`,
    [requestId],
  );
  return rows;
}

export async function auditRows(pool: pg.Pool, requestId: string): Promise<string[]> {
  const { rows } = await pool.query<{ id: string; action: string; result: string; actor: string; target: string }>(
    `SELECT id, action, result, actor_type || ' ' || left(actor_id, 16) AS actor, target_type || ' ' || left(target_id, 36) AS target
       FROM audit_logs WHERE correlation_id = $1 ORDER BY occurred_at`,
    [requestId],
  );
  return rows.map(({ id, action, result, actor, target }) => `${id} ${action} ${result}, by ${actor}, on ${target}`);
}

export async function workflows(
  temporal: { address: string; namespace: string; uiUrl: string | undefined },
  workflowIds: readonly string[],
): Promise<Place> {
  if (workflowIds.length === 0) return { found: [] };
  try {
    const connection = await Connection.connect({ address: temporal.address, connectTimeout: 5_000 });
    try {
      const client = new Client({ connection, namespace: temporal.namespace });
      const found = await Promise.all(workflowIds.map((workflowId) => describe(client, { ...temporal, workflowId })));
      return { found: found.filter((line) => line !== null) };
    } finally {
      await connection.close();
    }
  } catch (error) {
    return { found: [], unreachable: error instanceof Error ? error.message : String(error) };
  }
}

async function describe(client: Client, at: { namespace: string; uiUrl: string | undefined; workflowId: string }): Promise<string | null> {
  try {
    const { runId, status } = await client.workflow.getHandle(at.workflowId).describe();
    const path = [at.namespace, 'workflows', at.workflowId, runId].map(encodeURIComponent).join('/');
    const link = at.uiUrl === undefined ? '' : ` ${at.uiUrl}/namespaces/${path}`;
    return `${at.workflowId} ${status.name}${link}`;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
