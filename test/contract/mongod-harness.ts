// A real MongoDB server with authorization on, where LEASEHOLD_TEST_MONGODB_URL names one: the url of an admin.
import { randomUUID } from 'node:crypto';
import { MongoClient } from 'mongodb';
import type { KindBackend } from '../../activities/backend';
import { createMongodBackend } from '../../activities/mongodb';
import { randomBase32 } from '../../shared/crypto';
import { aRequest, type BackendHarness } from './backend.contract';
import { LOGGER, newPlatform, openMongoSession, PATIENT } from './mongodb-harness';

export const mongodUrl = (): string | undefined => process.env.LEASEHOLD_TEST_MONGODB_URL || undefined;

export async function startMongodHarness(adminUrl = mongodUrl() ?? ''): Promise<BackendHarness> {
  const harness = mongodHarness(adminUrl);
  await harness.backend.prepareServer('test');
  return harness;
}

/** Of a server that was not looked at. */
export function mongodHarness(adminUrl: string): BackendHarness & { backend: KindBackend } {
  const installationId = randomBase32(8);
  const platform = newPlatform();
  const clients: MongoClient[] = [];
  const backend = createMongodBackend({
    installationId,
    logger: LOGGER,
    nameLock: platform.nameLock,
    fence: async ({ objectName }) => !platform.closedFences.has(objectName),
    readCredential: async ({ resourceId, version }) => platform.credential(resourceId, version),
    connections: platform.connections,
    issuedSecrets: { read: async () => null, store: async ({ secrets }) => secrets },
    adminUrlOf: () => adminUrl,
  });
  return {
    backend,
    newRequest: (connections = 5) => {
      const resourceId = randomUUID();
      const objectName = `lh${installationId}_${randomBase32(24)}`;
      platform.names.set(resourceId, objectName);
      return aRequest({ resourceId, kind: 'mongodb', objectName, limits: { connections } });
    },
    setFence: (objectName, open) => void (open ? platform.closedFences.delete(objectName) : platform.closedFences.add(objectName)),
    open: async (request, version = 1) => {
      const { username, password } = platform.credential(request.resourceId, version);
      const url = new URL(adminUrl);
      Object.assign(url, { username, password, pathname: `/${request.objectName}`, search: '' });
      const client = new MongoClient(url.href, PATIENT);
      clients.push(client);
      return await openMongoSession(client, request.objectName);
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await backend.close();
    },
  };
}
