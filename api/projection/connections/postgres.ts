import type { PresentConnection } from './types';

/** Two login roles may be there at once; the database is the object itself. */
export const presentPostgres: PresentConnection = ({ resource, credential, address }) => {
  const login = `${encodeURIComponent(credential.username)}:${encodeURIComponent(credential.password)}`;
  return { connection_url: `postgres://${login}@${address.host}:${address.port}/${encodeURIComponent(resource.object_name)}` };
};
