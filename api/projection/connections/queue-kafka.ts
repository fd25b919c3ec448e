// A queue on Kafka: bootstrap servers as they stand, and a user whose topics, groups and transactional ids begin with the prefix.
import type { PresentEngine } from './queue';

export const presentKafka: PresentEngine = ({ details, credential: { username, password }, address }) => ({
  connection_url: String(details.bootstrap_servers ?? `${address.host}:${address.port}`),
  credentials: {
    username,
    password,
    mechanism: 'SCRAM-SHA-512',
    security_protocol: String(details.security_protocol ?? 'SASL_PLAINTEXT'),
    key_id: username,
  },
});
