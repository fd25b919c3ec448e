// The room's verbs as Temporal activities: a heartbeat while they run, cancellation passed on, errors mapped once.
import { withHeartbeat } from '../heartbeat';
import { toApplicationFailure } from './errors';
import type { PostgresBackend } from './index';
import type { CallOptions } from './session';

type Verb<Request> = (request: Request, options?: CallOptions) => Promise<void>;

function activity<Request>(verb: Verb<Request>): (request: Request) => Promise<void> {
  return async (request) => {
    try {
      await withHeartbeat((signal) => verb(request, { signal }));
    } catch (error) {
      throw toApplicationFailure(error);
    }
  };
}

export function createPostgresActivities(backend: PostgresBackend) {
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
