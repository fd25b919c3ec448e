// Signs a webhook the way of Standard Webhooks, for which receivers find libraries in every language.
import { createHmac } from 'node:crypto';
import { webhookKey } from './secrets';

export interface Signing {
  /** The event's id: equal on every attempt, so that receivers can tell a repetition. */
  messageId: string;
  timestampSeconds: number;
  body: string;
  /** During a rotation there are two, and either verifies. */
  secrets: readonly string[];
}

export function signatureHeaders({ messageId, timestampSeconds, body, secrets }: Signing): Record<string, string> {
  const signed = `${messageId}.${timestampSeconds}.${body}`;
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', webhookKey(secret)).update(signed, 'utf8').digest('base64')}`);
  return {
    'webhook-id': messageId,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  };
}
