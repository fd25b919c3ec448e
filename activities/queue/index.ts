// Queues: one namespace of its own per resource, on a server shared by tenants. Which engine it is, the backend's configuration says.
import {
  createQueueProviders,
  type QueueBackendChoice,
  type QueueCredential,
  type QueueCredentialProvider,
  type QueueTenant,
  queueLimits,
} from '../../shared/queueprovider';
import type { BackendRef, KindBackend, KindDependencies } from '../backend';
import { Fenced, ProviderMisconfigured } from '../errors';
import { installationPrefix } from '../names';
import { lockedVerbs, mapped } from '../verbs';
import { createKafkaProvider } from './kafka/provider';
import { createNatsProvider } from './nats/provider';
import { createOpenNatsProvider } from './nats-open/provider';
import { createRabbitmqProvider } from './rabbitmq/provider';

export interface QueueDependencies extends KindDependencies {
  /** The url of a server, with the secrets it takes to administer it. */
  adminUrlOf: (backendName: string) => string;
  /** Null: no queue backend of that name is configured. */
  choiceOf: (backendName: string) => QueueBackendChoice | null;
}

type Ref = Pick<BackendRef, 'backendName' | 'objectName'>;
type Work<Request> = (context: {
  request: Request;
  provider: QueueCredentialProvider;
  tenant: QueueTenant;
  signal: AbortSignal;
}) => Promise<void>;

export function createQueueBackend(dependencies: QueueDependencies): KindBackend {
  const { fence, connections, installationId, adminUrlOf, logger } = dependencies;
  const prefix = installationPrefix(installationId);
  const providers = createQueueProviders({
    choiceOf: dependencies.choiceOf,
    implementations: {
      'nats/isolated': () => createNatsProvider({ adminUrlOf, logger }),
      'kafka/isolated': () => createKafkaProvider({ adminUrlOf, logger }),
      'rabbitmq/isolated': () => createRabbitmqProvider({ adminUrlOf, logger }),
      'nats/legacy_open': () => createOpenNatsProvider({ adminUrlOf, logger }),
    },
  });
  const providerOf = (backendName: string): QueueCredentialProvider => {
    try {
      return providers.of(backendName);
    } catch (error) {
      throw new ProviderMisconfigured(error instanceof Error ? error.message : String(error));
    }
  };

  const verb = lockedVerbs({ prefix, nameLock: dependencies.nameLock });
  const locked = <Request extends Ref>(work: Work<Request>) =>
    verb(async (request: Request, signal) => {
      const { backendName, objectName } = request;
      await work({ request, provider: providerOf(backendName), tenant: { backendName, objectName }, signal });
    });
  const asked = <T>(backendName: string, ask: (provider: QueueCredentialProvider) => Promise<T>): Promise<T> =>
    mapped(async () => ask(providerOf(backendName)));

  const credentialOf = (resourceId: string, version: number) => issuedCredential(dependencies, { resourceId, version });
  const provision: KindBackend['provision'] = locked(async ({ request, provider, tenant, signal }) => {
    const { resourceId, credentialVersion } = request;
    const { engine, authMode } = provider;
    const stored = Promise.all([
      credentialOf(resourceId, credentialVersion)(provider, tenant),
      connections.record({ resourceId, details: { engine, auth_mode: authMode, ...provider.detailsOf(tenant) } }),
    ]);
    // The fence's answer comes first, whatever becomes of these.
    stored.catch(() => {});
    // After the lock: whoever held it before may have been the delete.
    if (!(await fence(request))) throw new Fenced(`${request.objectName} is not to be made any more`);
    const [credential] = await stored;
    signal.throwIfAborted();
    await provider.issueCredential({ ...tenant, credential, limits: queueLimits(request.limits) }, { signal });
  });

  return {
    provision,
    // There is no pool: an account takes as long to make as to claim.
    claimWarm: provision,
    deprovision: locked(({ provider, tenant, signal }) => provider.remove(tenant, { signal })),
    cut: locked(({ provider, tenant, signal }) => provider.cut(tenant, { signal })),
    restore: locked(({ provider, tenant, signal }) => provider.restore(tenant, { signal })),
    rotate: locked(async ({ request, provider, tenant, signal }) => {
      const { resourceId, credentialVersion, previousVersion, limits } = request;
      const credential = await credentialOf(resourceId, credentialVersion)(provider, tenant);
      signal.throwIfAborted();
      await provider.rotateCredential({ ...tenant, credential, previousVersion, limits: queueLimits(limits) }, { signal });
    }),
    retireCredential: locked(({ request, provider, tenant, signal }) =>
      provider.revokeCredential({ ...tenant, version: request.retireVersion }, { signal }),
    ),
    setReadOnly: locked(({ request, provider, tenant, signal }) =>
      provider.setReadOnly({ ...tenant, readOnly: request.readOnly, limits: queueLimits(request.limits) }, { signal }),
    ),
    applyLimits: locked(({ request, provider, tenant, signal }) =>
      provider.applyLimits({ ...tenant, limits: queueLimits(request.limits) }, { signal }),
    ),
    destroyOrphan: locked(async ({ request, provider, tenant, signal }) => {
      if (request.onlyIf && !(await request.onlyIf())) return;
      await provider.remove(tenant, { signal });
    }),

    prepareServer: (backendName) => asked(backendName, (provider) => provider.prepareServer(backendName)),
    serverVersion: (backendName) => asked(backendName, (provider) => provider.serverVersion(backendName)),
    list: async (backendName) => (await asked(backendName, (provider) => provider.list(backendName, prefix))).sort(),
    measureAll: (backendName) => asked(backendName, (provider) => provider.measure(backendName, prefix)),
    close: () => providers.close(),
  };
}

/** The stored credential, once what an engine issues for it is stored too: then the answer can be made, whatever happens to this call. */
function issuedCredential({ readCredential, issuedSecrets }: KindDependencies, key: { resourceId: string; version: number }) {
  return async (provider: QueueCredentialProvider, tenant: QueueTenant): Promise<QueueCredential> => {
    const [stored, issued] = await Promise.all([readCredential(key), issuedSecrets.read(key)]);
    const credential = { version: key.version, ...stored };
    if (issued !== null) return credential;
    const secrets = await provider.mintSecrets(tenant, credential);
    if (Object.keys(secrets).length > 0) await issuedSecrets.store({ ...key, secrets: { ...secrets } });
    return credential;
  };
}
