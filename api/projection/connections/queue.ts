import type { PresentConnection } from './types';

/** What was minted for the credential is stored with it since it was issued: the api signs nothing. */
export const presentQueue: PresentConnection = ({ details, issued, credential, address }) => {
  const authMode = String(details.auth_mode ?? 'isolated');
  return {
    connection_url: `${address.protocol === 'tls' ? 'tls' : 'nats'}://${address.host}:${address.port}`,
    engine: String(details.engine ?? 'nats'),
    subject_prefix: String(details.subject_prefix ?? ''),
    auth_mode: authMode,
    credentials: { auth_mode: authMode, key_id: credential.username, ...issued },
  };
};
