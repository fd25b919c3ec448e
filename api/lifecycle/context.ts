// Puts the request's context on what is started, so that worker and workflow lines name the same request and trace.
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { currentContext } from '../../shared/logctx';
import { type CallContext, CONTEXT_HEADER } from '../../workflows/context/messages';

function headersWith(headers: Headers): Headers {
  const { request_id, trace_id, team_id } = currentContext();
  const context: CallContext = { request_id, trace_id, team_id };
  return { ...headers, [CONTEXT_HEADER]: defaultPayloadConverter.toPayload(context) };
}

export const contextInterceptor: WorkflowClientInterceptor = {
  startWithDetails: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
  startUpdateWithStart: (input, next) => next({ ...input, workflowStartHeaders: headersWith(input.workflowStartHeaders) }),
  signalWithStart: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
};
