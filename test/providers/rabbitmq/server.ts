// A real RabbitMQ of the test's own, started as the stack starts it.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseRabbitmqAdminUrl, type RabbitmqAdmin } from '../../../shared/queueprovider';
import { onPath } from '../../../stack/fetch/run';
import { findFreePort } from '../../../stack/ports';
import { rabbitmqAdminUrl, rabbitmqDefinition } from '../../../stack/servers/rabbitmq';
import { findRabbitmq } from '../../../stack/servers/rabbitmq-binary';
import { makeServerHome, orDestroyed, startOwnServer } from '../../harness/own-server';

export interface RabbitmqTestServer {
  adminUrl: string;
  admin: RabbitmqAdmin;
  /** As the answer's `connection_url` is made. */
  urlOf(login: { username: string; password: string }, vhost: string): string;
  pid(): number;
  /** One folder a vhost, with its messages. */
  vhostFolders(): string[];
  start(): Promise<void>;
  /** By SIGKILL: what was acknowledged must be there after `start`. */
  kill(): Promise<void>;
  destroy(): Promise<void>;
}

const CACHE = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../../.leasehold/cache');

const isInCache = (): boolean => existsSync(CACHE) && readdirSync(CACHE).some((name) => name.startsWith('rabbitmq-debian'));

/** Known before the tests are declared, which cannot wait. */
export const mayHaveRabbitmq = (): boolean =>
  Boolean(process.env.LEASEHOLD_RABBITMQ_SERVER_BIN) || (onPath('erl').length > 0 && onPath('rabbitmq-server').length > 0) || isInCache();

export async function startRabbitmq(): Promise<RabbitmqTestServer> {
  if (!mayHaveRabbitmq()) throw new Error('no RabbitMQ here: npm run stack fetch rabbitmq');
  const binary = await findRabbitmq({ cacheDir: CACHE, binary: process.env.LEASEHOLD_RABBITMQ_SERVER_BIN });
  const home = makeServerHome('rabbitmq');
  const port = await findFreePort();
  const managementPort = await findFreePort([port]);
  const place = { home, port, managementPort };
  const definition = rabbitmqDefinition({ ...place, binary, statisticsIntervalMs: 500 });
  const server = await startOwnServer(definition, { home, graceMs: 5_000 });
  const adminUrl = await orDestroyed(server, () => rabbitmqAdminUrl(place));
  const vhosts = join(home, 'rabbitmq/data/leasehold@localhost/msg_stores/vhosts');
  return {
    adminUrl,
    admin: parseRabbitmqAdminUrl(adminUrl),
    urlOf: ({ username, password }, vhost) =>
      `amqp://${encodeURIComponent(username)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(vhost)}`,
    vhostFolders: () => (existsSync(vhosts) ? readdirSync(vhosts) : []),
    ...server,
  };
}
