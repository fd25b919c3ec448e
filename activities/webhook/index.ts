// Webhook: one inbox per resource in the receiver's registry, opened by a random token. The receiver serves it without us.
import { type InboxStore, inboxLimits } from '../../shared/inbox';
import type { Backend, CallOptions, CredentialReader, Fence, KindBackend } from '../backend';
import { Fenced, ObjectMissing } from '../errors';
import { assertOwnName, installationPrefix } from '../names';
import { toProviderError } from '../postgres/errors';
import { mapped as mappedBy } from '../verbs';

export interface WebhookDependencies {
  store: InboxStore;
  /** Makes the inbox's database, its tables and its role ready. */
  prepare: (backendName: string) => Promise<void>;
  readCredential: CredentialReader;
  fence: Fence;
  /** Eight characters of base32; only names that begin with `lh<installationId>_` are ever touched. */
  installationId: string;
}

/** An empty inbox is a row, and no resource weighs nothing. */
const ROW_BYTES = 512;

export function createWebhookBackend(dependencies: WebhookDependencies): KindBackend {
  const { store, installationId } = dependencies;
  const { registry } = store;
  const prefix = installationPrefix(installationId);
  const prepareOnce = oncePerBackend(dependencies.prepare);
  return {
    ...verbs({ ...dependencies, prefix, prepareOnce }),
    list: () => mapped(() => registry.list(prefix)),
    measureAll: () =>
      mapped(async () => (await registry.measure(prefix)).map(({ objectName, bytes }) => ({ objectName, bytes: ROW_BYTES + bytes }))),
    serverVersion: () => mapped(() => store.serverVersion()),
    prepareServer: (backendName) =>
      mapped(async () => {
        await prepareOnce(backendName);
        await registry.forgetOldTokens();
      }),
    close: () => store.close(),
  };
}

/** A failed attempt is forgotten, so that the next call tries anew. */
function oncePerBackend(prepare: (backendName: string) => Promise<void>): (backendName: string) => Promise<void> {
  const prepared = new Map<string, Promise<void>>();
  return (backendName) => {
    const known = prepared.get(backendName);
    if (known !== undefined) return known;
    const begun = prepare(backendName).catch((error: unknown) => {
      prepared.delete(backendName);
      throw error;
    });
    prepared.set(backendName, begun);
    return begun;
  };
}

interface VerbContext extends WebhookDependencies {
  prefix: string;
  prepareOnce: (backendName: string) => Promise<void>;
}

function verbs({ store, readCredential, fence, prefix, prepareOnce }: VerbContext): Backend & Pick<KindBackend, 'destroyOrphan'> {
  const { registry } = store;
  const tokenOf = async (resourceId: string, version: number) => ({
    version,
    token: (await readCredential({ resourceId, version })).password,
  });
  const verb =
    <Request extends { objectName: string }>(run: (request: Request, options: CallOptions) => Promise<void>) =>
    async (request: Request, options: CallOptions = {}): Promise<void> => {
      assertOwnName(request.objectName, prefix);
      await mapped(() => run(request, options));
    };

  const provision: Backend['provision'] = verb(async (request, options) => {
    await prepareOnce(request.backendName);
    const { objectName, limits } = request;
    const credential = await tokenOf(request.resourceId, request.credentialVersion);
    const spec = { objectName, limits: inboxLimits(limits), ...credential };
    const outcome = await registry.establish(spec, { ...options, allowed: () => fence(request) });
    if (outcome === 'refused') throw new Fenced(`${objectName} is not to be made any more`);
  });

  return {
    provision,
    claimWarm: provision,
    deprovision: verb(({ objectName }, options) => registry.remove(objectName, options)),
    destroyOrphan: verb(({ objectName, onlyIf }, options) => registry.remove(objectName, { ...options, onlyIf })),
    cut: verb(async ({ objectName }, options) => {
      // Absent is success: nothing comes in.
      await registry.setOpen(objectName, false, options);
    }),
    restore: verb(async ({ objectName }, options) => found(await registry.setOpen(objectName, true, options), objectName)),
    rotate: verb(async ({ objectName, resourceId, credentialVersion, previousVersion }, options) => {
      const [current, previous] = await Promise.all([
        tokenOf(resourceId, credentialVersion),
        previousVersion === null ? null : tokenOf(resourceId, previousVersion),
      ]);
      const outcome = await registry.rotate({ objectName, ...current, previous }, options);
      if (outcome === 'stale') throw new Fenced(`${objectName} has a newer credential than version ${credentialVersion}`);
      found(outcome === 'rotated', objectName);
    }),
    retireCredential: verb(({ objectName, retireVersion }, options) => registry.retire(objectName, retireVersion, options)),
    setReadOnly: verb(async ({ objectName, readOnly }, options) =>
      found(await registry.setReadOnly(objectName, readOnly, options), objectName),
    ),
    applyLimits: verb(async ({ objectName, limits }, options) =>
      found(await store.applyLimits(objectName, inboxLimits(limits), options), objectName),
    ),
  };
}

function found(is: boolean, objectName: string): void {
  if (!is) throw new ObjectMissing(`${objectName} is not there`);
}

function mapped<T>(work: () => Promise<T>): Promise<T> {
  return mappedBy(work, toProviderError);
}
