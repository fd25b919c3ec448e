import type { PresentConnection } from './types';

/**
 * The database is the object itself, and its users are kept in it. The pool's size is in the url because neither server counts a
 * tenant's connections: the field's own drivers keep to it.
 */
export const presentMongodb: PresentConnection = ({ resource, credential, details, address }) => {
  const login = `${encodeURIComponent(credential.username)}:${encodeURIComponent(credential.password)}`;
  const port = typeof details.port === 'number' ? details.port : address.port;
  const host = address.host.includes(':') && !address.host.startsWith('[') ? `[${address.host}]` : address.host;
  const connections = resource.limits.connections;
  const options = connections === undefined || connections < 1 ? '' : `?maxPoolSize=${connections}`;
  return { connection_url: `mongodb://${login}@${host}:${port}/${encodeURIComponent(resource.object_name)}${options}` };
};
