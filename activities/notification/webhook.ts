// One call to one receiver: signed, bounded, to public addresses only.

import type { Keyring } from '../../shared/crypto';
import { type Egress, EgressFailed, EgressRefused } from '../../shared/egress';
import { type ResourceEventDraft, resourceEvent } from '../../shared/events';
import {
  newWebhookSecret,
  openWebhookSecret,
  resourceSecretOwner,
  sealWebhookSecret,
  signatureHeaders,
  subscriptionSecretOwner,
} from '../../shared/notification';
import type { DeliveryStore, StoredDelivery } from './store';

/** `gone`: it asked for no more. `refused`: trying again cannot help. */
export type SendResult =
  | { result: 'delivered'; status: number | null }
  | { result: 'failed' | 'refused' | 'gone'; status: number | null; error: string };

export interface WebhookSender {
  egress: Egress;
  keyring: Keyring;
  store: DeliveryStore;
}

const GONE = 410;

export async function sendWebhook(
  { egress, keyring, store }: WebhookSender,
  delivery: StoredDelivery,
  signal: AbortSignal,
): Promise<SendResult> {
  const { url, event } = delivery;
  if (url === null) return { result: 'refused', status: null, error: 'the receiver is disabled' };
  const body = JSON.stringify(envelopeOf(delivery));
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Leasehold-Webhooks/1',
    ...signatureHeaders({
      messageId: event.id,
      timestampSeconds: Math.floor(Date.now() / 1000),
      body,
      secrets: await secretsOf(store, keyring, delivery),
    }),
  };
  try {
    // Whoever moved must say so by a new url: a signed body is not handed on to where a receiver points.
    const answer = await egress.send({ url, method: 'POST', headers, body: Buffer.from(body), signal, maxRedirects: 0 });
    return judged(answer.status);
  } catch (error) {
    if (error instanceof EgressFailed || error instanceof EgressRefused) {
      return { result: 'failed', status: null, error: error.message };
    }
    throw error;
  }
}

function judged(status: number): SendResult {
  if (status >= 200 && status < 300) return { result: 'delivered', status };
  if (status === GONE) return { result: 'gone', status, error: 'the receiver answered 410: it is disabled now' };
  const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return { result: 'failed', status, error: `the receiver answered ${status}${redirect}` };
}

function envelopeOf({ event, resource }: StoredDelivery) {
  // As it was checked when it was written.
  const draft = { type: event.type, data: event.data } as ResourceEventDraft;
  return resourceEvent(draft, {
    resource_id: resource.id,
    resource_type: resource.kind,
    resource_name: resource.name,
    team_id: resource.teamId,
    revision: event.revision,
    status: event.status,
    occurred_at: event.occurredAt.toISOString(),
    request_id: event.requestId,
  });
}

async function secretsOf(store: DeliveryStore, keyring: Keyring, delivery: StoredDelivery): Promise<string[]> {
  const { subscriptionId, resource, secretEncrypted, previousSecretEncrypted } = delivery;
  const owner = subscriptionId === null ? resourceSecretOwner(resource.id) : subscriptionSecretOwner(subscriptionId);
  const current = secretEncrypted ?? (await store.ensureResourceSecret(resource.id, sealWebhookSecret(keyring, newWebhookSecret(), owner)));
  return [current, previousSecretEncrypted].filter((sealed) => sealed !== null).map((sealed) => openWebhookSecret(keyring, sealed, owner));
}
