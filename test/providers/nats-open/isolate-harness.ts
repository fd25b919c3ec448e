// An open server, one with accounts, and what moves a tenant from the one to the other.

import type { IsolationRequest, QueueIsolation } from '../../../activities/backend';
import { createQueueIsolation } from '../../../activities/queue/isolation';
import { openConnection } from '../../../activities/queue/nats/connection';
import { Nkey } from '../../../shared/queueprovider';

export const OPEN = 'open';
export const ISOLATED = 'isolated';

export interface IsolationPlaces {
  installationId: string;
  openUrl: string;
  adminUrl: string;
}

/** As a worker has it, but for what the platform's database keeps. */
export function isolationOver({ installationId, openUrl, adminUrl }: IsolationPlaces): QueueIsolation & { close(): Promise<void> } {
  const issued = new Map<string, Record<string, string>>();
  return createQueueIsolation({
    installationId,
    adminUrlOf: (backendName) => (backendName === OPEN ? openUrl : adminUrl),
    choiceOf: (backendName) => ({ engine: 'nats', authMode: backendName === OPEN ? 'legacy_open' : 'isolated' }),
    fence: async () => true,
    // One process at a time is at it here; the platform's lock is tried with the platform.
    nameLock: (_name, run) => run(new AbortController().signal),
    readCredential: async ({ resourceId, version }) => ({ username: `${resourceId}_${version}`, password: `of ${resourceId} ${version}` }),
    issuedSecrets: {
      read: async ({ resourceId }) => issued.get(resourceId) ?? null,
      store: async ({ resourceId, secrets }) => {
        issued.set(resourceId, secrets);
        return secrets;
      },
    },
  });
}

export function isolationRequest(objectName: string, given: Partial<IsolationRequest> = {}): IsolationRequest {
  return {
    resourceId: objectName,
    kind: 'queue',
    backendName: OPEN,
    targetName: ISOLATED,
    objectName,
    generation: 1,
    limits: { storageMb: 64 },
    options: {},
    credentialVersion: 2,
    retiringVersion: null,
    isCut: false,
    isReadOnly: false,
    ...given,
  };
}

/** With what was minted, as the tenant reads it in the answer. */
export function logIn(url: string, { nats_jwt: jwt = '', nats_nkey: seed = '' }: Readonly<Record<string, string>>) {
  return openConnection({ server: url, name: 'tenant', jwt, user: Nkey.fromSeed('user', seed) });
}
