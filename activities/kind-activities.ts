// A backend's verbs as Temporal activities: a heartbeat while they run, cancellation passed on, errors mapped once.
import type { Backend, CallOptions, KindBackend } from './backend';
import { toApplicationFailure } from './errors';
import { withHeartbeat } from './heartbeat';

function activity<Request>(verb: (request: Request, options?: CallOptions) => Promise<void>): (request: Request) => Promise<void> {
  return async (request) => {
    try {
      await withHeartbeat((signal) => verb(request, { signal }));
    } catch (error) {
      throw toApplicationFailure(error);
    }
  };
}

export function createKindActivities(backend: Pick<KindBackend, keyof Backend>) {
  return {
    provision: activity(backend.provision),
    claimWarm: activity(backend.claimWarm),
    deprovision: activity(backend.deprovision),
    cut: activity(backend.cut),
    restore: activity(backend.restore),
    rotate: activity(backend.rotate),
    retireCredential: activity(backend.retireCredential),
    setReadOnly: activity(backend.setReadOnly),
    applyLimits: activity(backend.applyLimits),
  };
}
