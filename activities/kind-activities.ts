// A backend's verbs as Temporal activities: a heartbeat while they run, cancellation passed on, errors mapped once.
import { inSpan } from '../shared/telemetry';
import type { Backend, BackendRef, CallOptions, KindBackend } from './backend';
import { toApplicationFailure } from './errors';
import { withHeartbeat } from './heartbeat';

type Verb<Request> = (request: Request, options?: CallOptions) => Promise<void>;

/** The span of one call on a backend: `postgres provision`. */
export function backendCall<Request extends BackendRef>(name: keyof Backend, request: Request, call: () => Promise<void>): Promise<void> {
  const { kind, backendName, resourceId } = request;
  const attributes = { 'leasehold.kind': kind, 'leasehold.backend': backendName, 'leasehold.resource_id': resourceId };
  return inSpan(`${kind} ${name}`, attributes, call);
}

function activity<Request extends BackendRef>(name: keyof Backend, verb: Verb<Request>): (request: Request) => Promise<void> {
  return async (request) => {
    try {
      await backendCall(name, request, () => withHeartbeat((signal) => verb(request, { signal })));
    } catch (error) {
      throw toApplicationFailure(error);
    }
  };
}

export function createKindActivities(backend: Pick<KindBackend, keyof Backend>) {
  return {
    provision: activity('provision', backend.provision),
    claimWarm: activity('claimWarm', backend.claimWarm),
    deprovision: activity('deprovision', backend.deprovision),
    cut: activity('cut', backend.cut),
    restore: activity('restore', backend.restore),
    rotate: activity('rotate', backend.rotate),
    retireCredential: activity('retireCredential', backend.retireCredential),
    setReadOnly: activity('setReadOnly', backend.setReadOnly),
    applyLimits: activity('applyLimits', backend.applyLimits),
  };
}
