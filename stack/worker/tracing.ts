// Where workflows tell of their spans.
import { recordSpan } from '../../shared/telemetry';
import type { WorkflowSpan } from '../../workflows/context/messages';

function span(info: { workflowId: string; runId: string }, told: WorkflowSpan): void {
  const { requestId, ...lived } = told;
  const attributes = {
    temporalWorkflowId: info.workflowId,
    run_id: info.runId,
    ...(requestId === undefined ? {} : { 'leasehold.request_id': requestId }),
  };
  recordSpan({ ...lived, attributes });
}

/** Of every worker, tracing or not: a workflow that was started with tracing on tells of its spans to whoever runs it. */
export const tracingSinks = { tracing: { span: { fn: span, callDuringReplay: false } } };
