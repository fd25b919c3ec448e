// Carries the context of requests to a workflow's activities and into its log lines.
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { type WorkflowInterceptorsFactory, workflowInfo } from '@temporalio/workflow';
import { began, callFrom, currentCall, receive, startIsDone } from './calls';
import { type CallContext, CONTEXT_HEADER, TRACER_HEADER } from './messages';

function logFields(): CallContext {
  const { request_id, trace_id, team_id } = currentCall()?.context ?? {};
  return { request_id, trace_id, team_id };
}

/** The next run is told who began, not to trace it again. */
function inherited(headers: Headers): Headers {
  return { ...headers, [CONTEXT_HEADER]: defaultPayloadConverter.toPayload(logFields()) };
}

function headersWith(headers: Headers): Headers {
  const traceparent = currentCall()?.traceparent() ?? null;
  if (traceparent === null) return inherited(headers);
  return { ...inherited(headers), [TRACER_HEADER]: defaultPayloadConverter.toPayload({ traceparent }) };
}

export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      execute(input, next) {
        began(callFrom(input.headers, `StartedWorkflow:${workflowInfo().workflowType}`));
        const running = next(input);
        const end = () => startIsDone(null);
        running.then(end, end);
        return running;
      },
      handleUpdate(input, next) {
        receive(callFrom(input.headers, `HandleUpdate:${input.name}`));
        return next(input);
      },
      handleSignal(input, next) {
        receive(callFrom(input.headers, `HandleSignal:${input.signalName}`));
        return next(input);
      },
    },
  ],
  outbound: [
    {
      scheduleActivity: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
      scheduleLocalActivity: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
      continueAsNew: (input, next) => next({ ...input, headers: inherited(input.headers) }),
      getLogAttributes: (input, next) => next({ ...input, ...logFields() }),
    },
  ],
});
