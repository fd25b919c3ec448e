// A queue on RabbitMQ: a vhost of its own, which is named as the object is, and a user with a password for each version.
import type { PresentEngine } from './queue';

export const presentRabbitmq: PresentEngine = ({ resource, credential: { username, password }, address }) => {
  const login = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  const place = `${address.protocol === 'amqps' ? 'amqps' : 'amqp'}://${login}@${address.host}:${address.port}`;
  return {
    connection_url: `${place}/${encodeURIComponent(resource.object_name)}`,
    vhost: resource.object_name,
    credentials: { username, password, key_id: username },
  };
};
