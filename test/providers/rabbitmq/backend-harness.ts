// The queue backend over a real RabbitMQ, and what a test needs to stand on both sides of it.
import { randomUUID } from 'node:crypto';
import type { KindBackend, ProvisionRequest } from '../../../activities/backend';
import { createQueueBackend } from '../../../activities/queue';
import { randomBase32 } from '../../../shared/crypto';
import { aRequest, type BackendHarness } from '../../contract/backend.contract';
import { rememberingDependencies } from '../../contract/queue-harness';
import { type RabbitmqTestServer, startRabbitmq } from './server';
import { openSession } from './session';

export interface RabbitmqHarness extends BackendHarness {
  backend: KindBackend;
  server: RabbitmqTestServer;
  installationId: string;
  loginOf(request: ProvisionRequest, version?: number): { username: string; password: string };
  urlOf(request: ProvisionRequest, version?: number): string;
}

export async function startRabbitmqBackend(): Promise<RabbitmqHarness> {
  const server = await startRabbitmq();
  const installationId = randomBase32(8);
  const closedFences = new Set<string>();
  const names = new Map<string, string>();
  const { dependencies, passwordOf } = rememberingDependencies({ installationId, names });
  const backend = createQueueBackend({
    ...dependencies,
    logger: { info() {}, warn() {}, error: console.error },
    fence: async (ref) => !closedFences.has(ref.objectName),
    adminUrlOf: () => server.adminUrl,
    choiceOf: (backendName) => (backendName === 'test' ? { engine: 'rabbitmq', authMode: 'isolated' } : null),
  });
  const loginOf: RabbitmqHarness['loginOf'] = ({ resourceId, objectName }, version = 1) => ({
    username: `${objectName}_${version}`,
    password: passwordOf(resourceId, version),
  });
  const urlOf: RabbitmqHarness['urlOf'] = (request, version) => server.urlOf(loginOf(request, version), request.objectName);
  return {
    backend,
    server,
    installationId,
    loginOf,
    urlOf,
    newRequest: (connections = 5) => {
      const resourceId = randomUUID();
      const objectName = `lh${installationId}_${randomBase32(24)}`;
      names.set(resourceId, objectName);
      return aRequest({ resourceId, kind: 'queue', objectName, limits: { connections, storageMb: 8 } });
    },
    setFence: (objectName, open) => void (open ? closedFences.delete(objectName) : closedFences.add(objectName)),
    open: (request, version) => openSession(urlOf(request, version)),
    close: async () => {
      await backend.close();
      await server.destroy();
    },
  };
}
