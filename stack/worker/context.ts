// Every line that an activity logs names its request, trace, team, resource and workflow.
import { defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { withContext } from '../../shared/logctx';
import { type CallContext, CONTEXT_HEADER } from '../../workflows/context/messages';
import { resourceIdFromWorkflowId } from '../../workflows/resource/messages';

/** A command's own request, where the activity was called for one. */
function requestIdOf(args: unknown[]): string | undefined {
  const [first] = args;
  if (typeof first !== 'object' || first === null || !('requestId' in first)) return undefined;
  return typeof first.requestId === 'string' ? first.requestId : undefined;
}

export const activityContext: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    execute(input, next) {
      const header = input.headers[CONTEXT_HEADER];
      const call = header === undefined ? {} : defaultPayloadConverter.fromPayload<CallContext>(header);
      const workflowId = context.info.workflowExecution?.workflowId;
      const fields = {
        ...call,
        request_id: requestIdOf(input.args) ?? call.request_id,
        workflow_id: workflowId,
        run_id: context.info.workflowExecution?.runId,
        resource_id: workflowId === undefined ? undefined : (resourceIdFromWorkflowId(workflowId) ?? undefined),
      };
      return withContext(fields, () => next(input));
    },
  },
});
