// The activity that moves a queue from an open server to an account of its own; the verbs of every kind are in index.ts.
import { type QueueBackendChoice, queueLimits } from '../../shared/queueprovider';
import type { ConnectionDetails, KindDependencies, QueueIsolation } from '../backend';
import { Fenced, ProviderMisconfigured, toApplicationFailure } from '../errors';
import { withHeartbeat } from '../heartbeat';
import { installationPrefix } from '../names';
import { lockedVerbs } from '../verbs';
import { NatsServers, OpenedOnce } from './nats/connection';
import { mintUser } from './nats/keys';
import { natsDetails } from './nats/provider';
import { openOpenServer } from './nats-open/connection';
import { copyTenant } from './nats-open/isolate';

export interface QueueIsolationDependencies
  extends Pick<KindDependencies, 'readCredential' | 'issuedSecrets' | 'nameLock' | 'installationId'> {
  adminUrlOf: (backendName: string) => string;
  choiceOf: (backendName: string) => QueueBackendChoice | null;
  /** Is the row still waiting for a copy on that backend? */
  fence: (copy: { resourceId: string; targetName: string }) => Promise<boolean>;
}

export function createQueueIsolation(dependencies: QueueIsolationDependencies): QueueIsolation & { close(): Promise<void> } {
  const { adminUrlOf, choiceOf, fence, issuedSecrets, readCredential } = dependencies;
  const sources = new OpenedOnce((backendName) => openOpenServer(backendName, adminUrlOf(backendName)));
  const targets = new NatsServers(adminUrlOf);
  const verb = lockedVerbs({ prefix: installationPrefix(dependencies.installationId), nameLock: dependencies.nameLock });

  return {
    async copyToIsolated(request, options) {
      let details: ConnectionDetails = {};
      const copy = verb(
        async ({ resourceId, backendName, targetName, objectName, credentialVersion: version, ...given }: typeof request, signal) => {
          assertMode(choiceOf(backendName), 'legacy_open', backendName);
          assertMode(choiceOf(targetName), 'isolated', targetName);
          // After the lock: whoever held it before may have finished, and tenants be at work on the copy.
          if (!(await fence({ resourceId, targetName }))) throw new Fenced(`${objectName} is not to be copied any more`);
          const credential = { version, ...(await readCredential({ resourceId, version })) };
          // Stored before the server hears of it: then the answer can be made, whatever happens to this call.
          await issuedSecrets.store({ resourceId, version, secrets: { ...(await mintUser(objectName, credential)) } });
          await copyTenant({
            source: await sources.of(backendName),
            target: await targets.system(targetName),
            objectName,
            credential,
            limits: queueLimits(given.limits),
            isCut: given.isCut,
            isReadOnly: given.isReadOnly,
            signal,
          });
          details = { engine: 'nats', auth_mode: 'isolated', ...natsDetails(objectName) };
        },
      );
      await copy(request, options);
      return details;
    },
    async close() {
      await Promise.all([sources.close(), targets.close()]);
    },
  };
}

/** With a heartbeat, and its errors as Temporal's. */
export function createQueueIsolationActivities(isolation: QueueIsolation): QueueIsolation {
  return {
    async copyToIsolated(request) {
      try {
        return await withHeartbeat((signal) => isolation.copyToIsolated(request, { signal }));
      } catch (error) {
        throw toApplicationFailure(error);
      }
    },
  };
}

function assertMode(choice: QueueBackendChoice | null, authMode: QueueBackendChoice['authMode'], backendName: string): void {
  if (choice?.engine === 'nats' && choice.authMode === authMode) return;
  throw new ProviderMisconfigured(`${backendName} is no NATS backend of auth_mode ${authMode} in backends.yaml`);
}
