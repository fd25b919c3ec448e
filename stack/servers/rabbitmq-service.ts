// RabbitMQ as a part of the stack, started when LEASEHOLD_KINDS names it.
import type { KindServer } from '../kind-server';
import { readState } from '../state';
import { RABBITMQ, RABBITMQ_MANAGEMENT, rabbitmqAdminUrl, rabbitmqDefinition } from './rabbitmq';
import { findRabbitmq } from './rabbitmq-binary';

export const RABBITMQ_SERVICE: KindServer & { name: typeof RABBITMQ } = {
  name: RABBITMQ,
  kinds: [],
  without: 'POST /queue/new with engine rabbitmq answers 503',
  ports: [{ name: RABBITMQ, inUrls: true }, { name: RABBITMQ_MANAGEMENT }],
  external: ({ external }) => external.rabbitmqAdminUrl,
  embedded: ({ external }) => external.rabbitmqAdminUrl === undefined,
  async start({ context, supervisor, say }) {
    const { settings, ports, signal, kindEnvironment } = context;
    const { home, cacheDir, rabbitmqBinary } = settings;
    const onFetch = (what: string) => say(`fetching ${what} once, with apt`);
    const binary = await findRabbitmq({ cacheDir, binary: rabbitmqBinary, signal, onFetch });
    if (binary.fetchedSeconds !== undefined) say(`fetched RabbitMQ ${binary.version} in ${binary.fetchedSeconds.toFixed(1)} s`);
    const server = { home, port: ports[RABBITMQ] ?? 0, managementPort: ports[RABBITMQ_MANAGEMENT] ?? 0 };
    await supervisor.start(rabbitmqDefinition({ ...server, binary, leftover: readState(home).processes[RABBITMQ] }));
    kindEnvironment.LEASEHOLD_RABBITMQ_ADMIN_URL = rabbitmqAdminUrl(server);
  },
};
