// What a queue backend under the contract stands on, whatever its server: the platform's tables kept in memory, names, and fences to close.
import { randomUUID } from 'node:crypto';
import type { KindBackend, ProvisionRequest } from '../../activities/backend';
import { createQueueBackend, type QueueDependencies } from '../../activities/queue';
import { generatePassword, randomBase32 } from '../../shared/crypto';
import type { QueueBackendChoice } from '../../shared/queueprovider';
import { inProcessLock } from '../harness/name-lock';
import { aRequest, type BackendHarness } from './backend.contract';

export interface QueueRoom {
  backend: KindBackend;
  installationId: string;
  newRequest(limits: ProvisionRequest['limits']): ProvisionRequest;
  setFence(objectName: string, open: boolean): void;
  /** Empty: nothing is issued. */
  issuedOf(request: ProvisionRequest, version?: number): Record<string, string>;
  passwordOf(resourceId: string, version: number): string;
  loginOf(request: ProvisionRequest, version?: number): { username: string; password: string };
}

/** With a server below, and tenants above. */
export type QueueRoomHarness = Omit<BackendHarness, 'backend' | 'setFence'> & Omit<QueueRoom, 'newRequest'>;

export function queueRoom(adminUrl: string, choice: QueueBackendChoice): QueueRoom {
  const installationId = randomBase32(8);
  const closedFences = new Set<string>();
  const names = new Map<string, string>();
  const { dependencies, issued, passwordOf } = rememberingDependencies({ installationId, names });
  const backend = createQueueBackend({
    ...dependencies,
    fence: async (ref) => !closedFences.has(ref.objectName),
    adminUrlOf: () => adminUrl,
    choiceOf: (backendName) => (backendName === 'test' ? choice : null),
  });
  return {
    backend,
    installationId,
    newRequest: (limits) => {
      const resourceId = randomUUID();
      const objectName = `lh${installationId}_${randomBase32(24)}`;
      names.set(resourceId, objectName);
      return aRequest({ resourceId, kind: 'queue', objectName, limits });
    },
    setFence: (objectName, open) => void (open ? closedFences.delete(objectName) : closedFences.add(objectName)),
    issuedOf: ({ resourceId }, version = 1) => issued.get(`${resourceId}/${version}`) ?? {},
    passwordOf,
    loginOf: ({ resourceId, objectName }, version = 1) => ({
      username: `${objectName}_${version}`,
      password: passwordOf(resourceId, version),
    }),
  };
}

/** What the platform keeps for a room, kept in memory. */
function rememberingDependencies(options: { installationId: string; names: ReadonlyMap<string, string> }) {
  const passwords = new Map<string, string>();
  const issued = new Map<string, Record<string, string>>();
  const details = new Map<string, Record<string, string | number | boolean | null>>();
  const first = <Value>(map: Map<string, Value>, key: string, value: Value): Value => {
    const kept = map.get(key) ?? value;
    map.set(key, kept);
    return kept;
  };
  const passwordOf = (resourceId: string, version: number) => first(passwords, `${resourceId}/${version}`, generatePassword());
  const dependencies: Omit<QueueDependencies, 'adminUrlOf' | 'choiceOf'> = {
    installationId: options.installationId,
    fence: async () => true,
    nameLock: inProcessLock(),
    readCredential: async ({ resourceId, version }) => ({
      username: `${options.names.get(resourceId)}_${version}`,
      password: passwordOf(resourceId, version),
    }),
    connections: {
      record: async ({ resourceId, details: given }) => first(details, resourceId, given),
      read: async (resourceId) => details.get(resourceId) ?? null,
    },
    issuedSecrets: {
      read: async ({ resourceId, version }) => issued.get(`${resourceId}/${version}`) ?? null,
      store: async ({ resourceId, version, secrets }) => first(issued, `${resourceId}/${version}`, secrets),
    },
    logger: { info() {}, warn() {}, error: console.error },
  };
  return { dependencies, issued, details, passwordOf };
}
