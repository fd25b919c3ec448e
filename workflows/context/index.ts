// Carries the context of the request that started a workflow to its activities and into its log lines.
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';
import { type CallContext, CONTEXT_HEADER } from './messages';

export const interceptors: WorkflowInterceptorsFactory = () => {
  let context: CallContext = {};
  const headersWith = (headers: Headers): Headers => ({ ...headers, [CONTEXT_HEADER]: defaultPayloadConverter.toPayload(context) });
  return {
    inbound: [
      {
        execute(input, next) {
          const header = input.headers[CONTEXT_HEADER];
          if (header !== undefined) context = defaultPayloadConverter.fromPayload<CallContext>(header);
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
        scheduleLocalActivity: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
        continueAsNew: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
        getLogAttributes: (input, next) => next({ ...input, ...context }),
      },
    ],
  };
};
