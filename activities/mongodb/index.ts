// MongoDB: a process of its own (FerretDB) for each resource of a backend on a host, a database of its own on a server that is reached by url.
import type { KindBackend } from '../backend';
import { ProviderMisconfigured } from '../errors';

export { createFerretdbBackend, createPostgresStorage, type FerretdbBackendConfig, storagePassword } from './ferretdb';
export { createMongodBackend } from './mongod';

/** One room out of the two implementations: each backend is of one of them. */
export function createMongodbBackend(options: {
  roomOf: (backendName: string) => KindBackend;
  rooms: readonly KindBackend[];
}): KindBackend {
  const { roomOf, rooms } = options;
  return {
    provision: (request, call) => roomOf(request.backendName).provision(request, call),
    claimWarm: (request, call) => roomOf(request.backendName).claimWarm(request, call),
    deprovision: (request, call) => roomOf(request.backendName).deprovision(request, call),
    cut: (request, call) => roomOf(request.backendName).cut(request, call),
    restore: (request, call) => roomOf(request.backendName).restore(request, call),
    rotate: (request, call) => roomOf(request.backendName).rotate(request, call),
    retireCredential: (request, call) => roomOf(request.backendName).retireCredential(request, call),
    setReadOnly: (request, call) => roomOf(request.backendName).setReadOnly(request, call),
    applyLimits: (request, call) => roomOf(request.backendName).applyLimits(request, call),
    list: (backendName) => roomOf(backendName).list(backendName),
    measureAll: (backendName) => roomOf(backendName).measureAll(backendName),
    prepareServer: (backendName) => roomOf(backendName).prepareServer(backendName),
    serverVersion: (backendName) => roomOf(backendName).serverVersion(backendName),
    createWarmItem: async (item, call) => {
      const { createWarmItem } = roomOf(item.backendName);
      if (createWarmItem === undefined) throw new ProviderMisconfigured(`nothing is made ahead on ${item.backendName}`);
      await createWarmItem(item, call);
    },
    destroyOrphan: (ref, call) => roomOf(ref.backendName).destroyOrphan(ref, call),
    close: async () => {
      await Promise.all(rooms.map((room) => room.close()));
    },
  };
}
