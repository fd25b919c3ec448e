// Several kinds behind one queue: a request names its kind, whatever is about a whole backend names that.
import type { BackendRef, CallOptions, KindBackend } from '../../activities/backend';
import type { BackendConfig } from '../../shared/plans';
import type { ResourceKind } from '../../shared/resourcetype';

export function dispatching(parts: {
  configs: readonly BackendConfig[];
  kinds: ReadonlyMap<ResourceKind, KindBackend>;
}): KindBackend & Required<Pick<KindBackend, 'createWarmItem'>> {
  const byKind = (kind: ResourceKind): KindBackend => {
    const backend = parts.kinds.get(kind);
    if (backend === undefined) throw new Error(`this host has no ${kind}`);
    return backend;
  };
  const byName = (backendName: string): KindBackend => {
    const config = parts.configs.find(({ name }) => name === backendName);
    if (config === undefined) throw new Error(`${backendName} is no backend of this host`);
    return byKind(config.kind);
  };
  const verb =
    <Request extends BackendRef>(pick: (backend: KindBackend) => (request: Request, options?: CallOptions) => Promise<void>) =>
    async (request: Request, options?: CallOptions): Promise<void> =>
      await pick(byKind(request.kind))(request, options);
  return {
    provision: verb((backend) => backend.provision),
    claimWarm: verb((backend) => backend.claimWarm),
    deprovision: verb((backend) => backend.deprovision),
    cut: verb((backend) => backend.cut),
    restore: verb((backend) => backend.restore),
    rotate: verb((backend) => backend.rotate),
    retireCredential: verb((backend) => backend.retireCredential),
    setReadOnly: verb((backend) => backend.setReadOnly),
    applyLimits: verb((backend) => backend.applyLimits),
    list: async (backendName) => await byName(backendName).list(backendName),
    measureAll: async (backendName) => await byName(backendName).measureAll(backendName),
    createWarmItem: async (item, options) => {
      const { createWarmItem } = byName(item.backendName);
      if (createWarmItem === undefined) throw new Error(`nothing is made ahead on ${item.backendName}`);
      await createWarmItem(item, options);
    },
    destroyOrphan: async (ref, options) => await byName(ref.backendName).destroyOrphan(ref, options),
    prepareServer: async (backendName) => await byName(backendName).prepareServer(backendName),
    serverVersion: async (backendName) => await byName(backendName).serverVersion(backendName),
    unproven: (backendName) => byName(backendName).unproven?.(backendName) ?? null,
    close: async () => undefined,
  };
}
