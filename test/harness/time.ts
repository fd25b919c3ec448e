// Time skipping on the ordinary dev server, one clock a workflow, by two raw calls (the SDK has no wrapper yet).
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';

/** Moves the workflow's clock; false when the workflow closed before it got there. */
export async function fastForward(client: Client, workflowId: string, ms: number): Promise<boolean> {
  const service = client.workflowService;
  const id = randomUUID();
  const base = { namespace: client.options.namespace, workflowExecution: { workflowId } };
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms % 1000) * 1_000_000;
  await service.updateWorkflowExecutionOptions({
    ...base,
    updateMask: { paths: ['time_skipping_config'] },
    workflowExecutionOptions: { timeSkippingConfig: { enabled: true, fastForwardConfig: { id, duration: { seconds, nanos } } } },
  } as never);
  for (;;) {
    const answer = (await service.pollWorkflowExecutionTimeSkipping({ ...base, fastForwardId: id } as never)) as {
      fastForwardPollingResult: number;
    };
    if (answer.fastForwardPollingResult !== 1) return answer.fastForwardPollingResult === 2;
  }
}

/** Lets the workflow's clock run to its end. */
export async function skipToEnd(client: Client, workflowId: string): Promise<void> {
  await client.workflowService.updateWorkflowExecutionOptions({
    namespace: client.options.namespace,
    workflowExecution: { workflowId },
    updateMask: { paths: ['time_skipping_config'] },
    workflowExecutionOptions: { timeSkippingConfig: { enabled: true } },
  } as never);
}

/** Hours up to the full minute before: what is due is never done early, and how many seconds late is up to a machine that may be busy. */
export function toTheMinute(hours: number): number {
  return Math.floor(hours * 60) / 60;
}
