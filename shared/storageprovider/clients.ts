// The settings that every client of a store has, whichever API it speaks.
import type { Credentials } from '@aws-sdk/client-sts';
import { presetEnvironment } from '../config';
import type { CallOptions, IssuedKey, StorageKey } from './types';

// Said once a process to standard error, where it would be the only line that is not JSON; package.json's engines says what runs.
presetEnvironment('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');

export function clientOptions({ endpoint, region, key }: { endpoint: string; region: string; key: StorageKey }) {
  return {
    endpoint,
    region,
    credentials: { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey, sessionToken: key.sessionToken },
    // Temporal repeats; a client that does so too only hides how long a store has been away.
    maxAttempts: 2,
    // A store that hangs is a store that is away.
    requestHandler: { connectionTimeout: 3_000, socketTimeout: 30_000 },
    // Checksums that nobody asked for are refused in presigned uploads, and by stores that do not know them.
    requestChecksumCalculation: 'WHEN_REQUIRED' as const,
    responseChecksumValidation: 'WHEN_REQUIRED' as const,
  };
}

export function abort({ signal }: CallOptions): { abortSignal?: AbortSignal } {
  return { abortSignal: signal };
}

/** What an STS answers with, as a key that ends by itself. */
export function sessionKey({ AccessKeyId, SecretAccessKey, SessionToken, Expiration }: Partial<Credentials> = {}): IssuedKey {
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration) throw new Error('the store issued no session');
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken, expiresAt: Expiration.toISOString() };
}
