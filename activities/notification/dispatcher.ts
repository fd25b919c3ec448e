// Starts one workflow for each delivery that waits. Any number of dispatchers may run: a row is taken by one, and starting twice starts once.
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type pg from 'pg';
import {
  DELIVERY_WORKFLOW_TYPE,
  type DeliverInput,
  deliveryWorkflowId,
  NOTIFICATION_TASK_QUEUE,
} from '../../workflows/notification/messages';

const BATCH = 50;
/** Until then nobody else takes it: longer than starting takes. */
const TAKEN_SECONDS = 30;
/** A delivery that is still pending then is started again, which does nothing where its workflow runs. */
const STARTED_SECONDS = 600;
/** A run that has made no attempt yet may be one that is about to close, and knows nothing of a replay. */
const CLOSING_SECONDS = 2;

const TAKE = `
UPDATE deliveries d SET start_at = now() + $2 * interval '1 second'
  FROM resource_events e
 WHERE e.id = d.event_id AND d.id IN (
   SELECT id FROM deliveries WHERE state = 'pending' AND start_at <= now() ORDER BY start_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING d.id AS "deliveryId", d.channel, d.target_id AS "targetId", e.type AS "eventType", d.resource_id AS "resourceId"`;

export interface DispatchOptions {
  pool: pg.Pool;
  client: Pick<Client, 'workflow'>;
  /** Default `notification`. */
  taskQueue?: string;
}

/** Answers how many were started. @throws what Temporal says; what was not started is taken again after a while */
export async function dispatchDeliveries({ pool, client, taskQueue = NOTIFICATION_TASK_QUEUE }: DispatchOptions): Promise<number> {
  const { rows } = await pool.query<DeliverInput>({ name: 'take-deliveries', text: TAKE, values: [BATCH, TAKEN_SECONDS] });
  const started = await Promise.allSettled(rows.map((input) => start(client, taskQueue, input)));
  const outcomes = started.flatMap((result, index) => {
    const id = rows[index]?.deliveryId;
    return result.status === 'fulfilled' && id !== undefined ? [{ id, began: result.value }] : [];
  });
  if (outcomes.length > 0) {
    await pool.query(
      `UPDATE deliveries d
          SET start_at = now() + interval '1 second' * CASE WHEN o.began OR d.attempts > 0 THEN $3::int ELSE $4::int END
         FROM unnest($1::uuid[], $2::boolean[]) AS o (id, began)
        WHERE d.id = o.id AND d.state = 'pending' AND d.start_at > now()`,
      [outcomes.map(({ id }) => id), outcomes.map(({ began }) => began), STARTED_SECONDS, CLOSING_SECONDS],
    );
  }
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return outcomes.length;
}

/** False when one runs already. */
async function start(client: Pick<Client, 'workflow'>, taskQueue: string, input: DeliverInput): Promise<boolean> {
  try {
    await client.workflow.start(DELIVERY_WORKFLOW_TYPE, {
      workflowId: deliveryWorkflowId(input.deliveryId),
      taskQueue,
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
      // Closed: a replay, or a row that says so at once.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${input.channel} ${input.eventType}`,
      priority: { fairnessKey: input.targetId },
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
