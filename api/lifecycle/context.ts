// Puts the request's context on what is started and told, so that worker and workflow name the same request and trace.
import { randomBytes } from 'node:crypto';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { currentContext } from '../../shared/logctx';
import { activeTraceparent } from '../../shared/telemetry';
import { type CallContext, CONTEXT_HEADER } from '../../workflows/context/messages';

function headersWith(headers: Headers): Headers {
  const { request_id, trace_id, team_id } = currentContext();
  const traceparent = activeTraceparent();
  const traced = traceparent === null ? {} : { traceparent, span_id: randomBytes(8).toString('hex') };
  const context: CallContext = { request_id, trace_id, team_id, ...traced };
  return { ...headers, [CONTEXT_HEADER]: defaultPayloadConverter.toPayload(context) };
}

export const contextInterceptor: WorkflowClientInterceptor = {
  startWithDetails: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
  startUpdate: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
  startUpdateWithStart: (input, next) =>
    next({
      ...input,
      workflowStartHeaders: headersWith(input.workflowStartHeaders),
      updateHeaders: headersWith(input.updateHeaders),
    }),
  signal: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
  signalWithStart: (input, next) => next({ ...input, headers: headersWith(input.headers) }),
};
