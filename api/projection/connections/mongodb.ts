import type { PresentConnection } from './types';

/**
 * The database is the object itself, and its users are kept in it. The pool's size is in the url so that the field's own drivers keep to
 * the plan: FerretDB refuses a login beyond it, a MongoDB server does not count.
 */
export const presentMongodb: PresentConnection = ({ resource, credential, details, address }) => {
  const login = `${encodeURIComponent(credential.username)}:${encodeURIComponent(credential.password)}`;
  const bare = address.host.includes(':') && !address.host.startsWith('[') ? `[${address.host}]` : address.host;
  // Found by DNS, port and all.
  const srv = address.protocol === 'mongodb+srv';
  const place = srv ? bare : `${bare}:${typeof details.port === 'number' ? details.port : address.port}`;
  const options = new URLSearchParams();
  const { connections } = resource.limits;
  if (connections !== undefined && connections > 0) options.set('maxPoolSize', String(connections));
  if (details.tls === true) options.set('tls', 'true');
  if (typeof details.replica_set === 'string') options.set('replicaSet', details.replica_set);
  // A name found by DNS brings `authSource=admin` with it.
  if (srv) options.set('authSource', resource.object_name);
  const query = options.size === 0 ? '' : `?${options}`;
  return { connection_url: `${srv ? 'mongodb+srv' : 'mongodb'}://${login}@${place}/${encodeURIComponent(resource.object_name)}${query}` };
};
