// Kafka among the servers that LEASEHOLD_KINDS names.
import type { KindServer } from '../kind-server';
import { readState } from '../state';
import { KAFKA, KAFKA_PORTS, type KafkaPort, kafkaAdminUrl, kafkaDefinition, kafkaPortName } from './kafka';
import { findKafka } from './kafka-binary';

export const KAFKA_SERVICE: KindServer & { name: typeof KAFKA } = {
  name: KAFKA,
  kinds: [],
  without: 'POST /queue/new with engine kafka answers 503',
  ports: KAFKA_PORTS.map((port) => ({ name: kafkaPortName(port), inUrls: port === '' })),
  external: ({ external }) => external.kafkaAdminUrl,
  embedded: ({ external }) => external.kafkaAdminUrl === undefined,
  async start({ context, supervisor, say }) {
    const { settings, signal, kindEnvironment } = context;
    const { home, cacheDir, kafkaHome } = settings;
    const binary = await findKafka({ cacheDir, kafkaHome, signal, onFetch: (what) => say(`fetching ${what} once, with Maven`) });
    if (binary.fetchedSeconds !== undefined) say(`fetched kafka ${binary.version} in ${binary.fetchedSeconds.toFixed(1)} s`);
    const ports = Object.fromEntries(KAFKA_PORTS.map((port) => [port, context.ports[kafkaPortName(port)] ?? 0]));
    const server = { home, ports: ports as Record<KafkaPort, number> };
    await supervisor.start(kafkaDefinition({ ...server, binary, leftover: readState(home).processes[KAFKA] }));
    kindEnvironment.LEASEHOLD_KAFKA_ADMIN_URL = kafkaAdminUrl(server);
  },
};
