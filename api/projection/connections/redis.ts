import type { PresentConnection } from './types';

/** On a server of its own every key is the resource's; on a shared one those that begin with the prefix, which `details` then names. */
export const presentRedis: PresentConnection = ({ credential, details, address }) => {
  const login = `${encodeURIComponent(credential.username)}:${encodeURIComponent(credential.password)}`;
  const scheme = address.protocol === 'rediss' ? 'rediss' : 'redis';
  const port = typeof details.port === 'number' ? details.port : address.port;
  const prefix = typeof details.key_prefix === 'string' ? details.key_prefix : '';
  return { connection_url: `${scheme}://${login}@${address.host}:${port}/0`, key_prefix: prefix };
};
