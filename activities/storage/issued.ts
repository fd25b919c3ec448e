// How an issued key is kept: the names are those of the answer.
import type { IssuedKey } from '../../shared/storageprovider';

export function secretsOf({ accessKeyId, secretAccessKey, sessionToken, expiresAt }: IssuedKey): Record<string, string> {
  return {
    access_key_id: accessKeyId,
    secret_access_key: secretAccessKey,
    ...(sessionToken === undefined ? {} : { session_token: sessionToken }),
    ...(expiresAt === undefined ? {} : { credentials_expire_at: expiresAt }),
  };
}

export function issuedKeyOf(secrets: Readonly<Record<string, string>>): IssuedKey {
  const { access_key_id = '', secret_access_key = '', session_token, credentials_expire_at } = secrets;
  return { accessKeyId: access_key_id, secretAccessKey: secret_access_key, sessionToken: session_token, expiresAt: credentials_expire_at };
}
