// Webhook inboxes for a process: their registry, made ready with the admin url of the server that holds it, and the receiver beside it.
import { setTimeout as sleep } from 'node:timers/promises';
import { createWebhookBackend } from '../../../activities/webhook';
import { InboxStore, prepareInboxDatabase } from '../../../shared/inbox';
import { adminUrlOf, type CreateKind } from './types';

const RECEIVER_TIMEOUT_MS = 3_000;
/** At the start of everything the receiver comes up while its database is being made. */
const FIRST_PATIENCE_MS = 6_000;
const LOOK_AGAIN_MS = 300;

export const createWebhookKind: CreateKind = (parts) => {
  const { dependencies, secretOf } = parts;
  const required = (variable: string, what: string): string => {
    const value = secretOf(variable);
    if (value === undefined) throw new Error(`set ${variable} to ${what}`);
    return value;
  };
  const inboxUrl = secretOf('LEASEHOLD_INBOX_URL');
  const store = new InboxStore({
    // Without a url nothing gets past `prepareServer`, which says so.
    url: inboxUrl ?? 'postgres://127.0.0.1:1/leasehold_inbox',
    redisUrl: secretOf('LEASEHOLD_REDIS_URL'),
    applicationName: 'leasehold-worker-inbox',
    maxConnections: 8,
    logger: dependencies.logger,
  });
  const backend = createWebhookBackend({
    ...dependencies,
    store,
    prepare: async () => {
      await prepareInboxDatabase({
        inboxUrl: required(
          'LEASEHOLD_INBOX_URL',
          'the url of the inbox database, such as postgres://leasehold_inbox:...@host/leasehold_inbox',
        ),
        adminUrl:
          secretOf('LEASEHOLD_INBOX_ADMIN_URL') ??
          required('LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL', 'the admin url of the server that the inbox database is made on'),
      });
    },
  });
  let looked = false;
  return {
    ...backend,
    async prepareServer(backendName) {
      await backend.prepareServer(backendName);
      const patienceMs = looked ? 0 : FIRST_PATIENCE_MS;
      looked = true;
      // The public address may lead through a proxy that cannot be reached from here.
      await receiverAnswers(secretOf('LEASEHOLD_RECEIVER_INTERNAL_URL') ?? adminUrlOf(parts, backendName), patienceMs);
    },
  };
};

/** An inbox that nothing is received for is no inbox. @throws Error with the remedy */
async function receiverAnswers(receiverUrl: string, patienceMs: number): Promise<void> {
  const url = new URL('/readyz', receiverUrl);
  const endsAtMs = Date.now() + patienceMs;
  for (;;) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(RECEIVER_TIMEOUT_MS), redirect: 'manual' }).catch(() => null);
    await answer?.body?.cancel();
    // A proxy in front may pass nothing but receive addresses on; its 404 came from somebody who answers.
    if (answer !== null && answer.status < 500) return;
    if (Date.now() >= endsAtMs) throw new Error(`the receiver at ${url.origin} is not ready (${answer?.status ?? 'no answer'}): start it`);
    await sleep(LOOK_AGAIN_MS);
  }
}
