// A server of its own for each resource: a process on this worker's host.
import type {
  BackendRef,
  KindBackend,
  MeasuredObject,
  ProvisionRequest,
  ReadOnlyRequest,
  RetireRequest,
  RotateRequest,
  WarmItem,
} from '../backend';
import { forEachLimited } from '../limited';
import { Turns } from '../turns';
import { lockedVerbs } from '../verbs';
import { OwnServer, type OwnServerOptions } from './own-server';

/** All verbs but those about the whole backend. */
type OwnServers = Omit<KindBackend, 'prepareServer' | 'serverVersion' | 'close'>;

export function createOwnServers(options: OwnServerOptions & { prefix: string }): OwnServers {
  const { prefix } = options;
  const own = new OwnServer(options);
  // No lock but this one is needed: all that acts on the object is this process, since the host's folder has one worker.
  const turns = new Turns();
  const verb = lockedVerbs({ prefix, nameLock: (objectName, run) => turns.take(objectName, () => run(new AbortController().signal)) });
  const list = async () => (await options.host.list('redis')).filter((name) => name.startsWith(prefix));
  const provision = verb((request: ProvisionRequest, signal) => own.provision(request, signal));
  return {
    provision,
    claimWarm: provision,
    deprovision: verb((ref: BackendRef) => own.remove(ref.objectName)),
    cut: verb((request: ProvisionRequest) => own.cut(request.objectName)),
    restore: verb((request: ProvisionRequest) => own.restore(request)),
    rotate: verb((request: RotateRequest) => own.rotate(request)),
    retireCredential: verb((request: RetireRequest) => own.retire(request)),
    setReadOnly: verb((request: ReadOnlyRequest) => own.setReadOnly(request)),
    applyLimits: verb((request: ProvisionRequest) => own.applyLimits(request)),
    createWarmItem: verb(async (item: WarmItem, signal) => {
      if (item.onlyIf && !(await item.onlyIf())) return;
      await own.prepare(item, signal);
    }),
    destroyOrphan: verb(async ({ objectName, onlyIf }: Parameters<KindBackend['destroyOrphan']>[0]) => {
      if (onlyIf && !(await onlyIf())) return;
      await own.remove(objectName);
    }),
    list,
    measureAll: async () => {
      const names = await list();
      const measured = await measureEach(names, (objectName) => own.measure(objectName));
      for (const name of names) turns.take(name, () => own.recover(name)).catch(() => undefined);
      return measured;
    },
  };
}

const MEASURED_AT_ONCE = 8;

async function measureEach(names: string[], measure: (objectName: string) => Promise<MeasuredObject | null>): Promise<MeasuredObject[]> {
  const measured: MeasuredObject[] = [];
  await forEachLimited(names, MEASURED_AT_ONCE, async (name) => {
    const object = await measure(name);
    if (object !== null) measured.push(object);
  });
  return measured.sort((a, b) => (a.objectName < b.objectName ? -1 : 1));
}
