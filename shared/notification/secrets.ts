// The secrets that webhooks are signed with, as receivers' libraries expect them, and as they are stored.
import { randomBytes } from 'node:crypto';
import type { Keyring } from '../crypto';

const PREFIX = 'whsec_';
const KEY_BYTES = 32;

/** As Standard Webhooks writes it: the prefix and 32 random bytes in base64. */
export function newWebhookSecret(): string {
  return `${PREFIX}${randomBytes(KEY_BYTES).toString('base64')}`;
}

/** The bytes that the HMAC is keyed with. */
export function webhookKey(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64');
}

export const resourceSecretOwner = (resourceId: string): string => `webhook-secret:resource:${resourceId}`;
export const subscriptionSecretOwner = (subscriptionId: string): string => `webhook-secret:subscription:${subscriptionId}`;

export function sealWebhookSecret(keyring: Keyring, secret: string, owner: string): string {
  return keyring.encrypt(secret, owner);
}

export function openWebhookSecret(keyring: Keyring, sealed: string, owner: string): string {
  return keyring.decrypt(sealed, owner);
}
