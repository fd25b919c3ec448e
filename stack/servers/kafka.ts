// Kafka, one KRaft node: a listener for tenants, one for the platform and the controller's, the last two closed to tenants' credentials.
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@platformatic/kafka';
import { formatKafkaAdminUrl } from '../../shared/queueprovider';
import { StackError } from '../errors';
import { run } from '../fetch/run';
import { writePrivateFile } from '../paths';
import { userBelow } from '../postgres-place';
import type { ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import type { KafkaBinary } from './kafka-binary';
import { serverDefinition } from './supervised';

export const KAFKA = 'kafka';
export const KAFKA_PORTS = ['', 'platform', 'controller'] as const;
export type KafkaPort = (typeof KAFKA_PORTS)[number];

/** The user of both listeners that are the platform's. No tenant's name begins so. */
const PLATFORM_USER = 'leasehold';
const MB = 1024 * 1024;
const GRACE_MS = 10_000;
/** Two seconds on an idle machine; on a busy one Java takes its time. */
const READY_MS = 90_000;

export interface KafkaServer {
  home: string;
  ports: Readonly<Record<KafkaPort, number>>;
}

export interface KafkaOptions extends KafkaServer {
  binary: Pick<KafkaBinary, 'java' | 'classPath'>;
  leftover?: ProcessIdentity;
}

/** As the state file remembers the port; it belongs to the server by the name's beginning. */
export function kafkaPortName(port: KafkaPort): string {
  return port === '' ? KAFKA : `${KAFKA}-${port}`;
}

export function kafkaDefinition(options: KafkaOptions): ServiceDefinition {
  const { home, ports, binary, leftover } = options;
  const place = placeOf(home);
  const keys = loadKeys(home);
  return serverDefinition({
    name: KAFKA,
    port: ports[''],
    url: `127.0.0.1:${ports['']}`,
    logFile: join(home, 'logs', `${KAFKA}.log`),
    leftover,
    graceMs: GRACE_MS,
    readyMs: READY_MS,
    probe: () => logIn(ports.platform, keys),
    async prepare() {
      for (const folder of [place.folder, place.data]) mkdirSync(folder, { recursive: true, mode: 0o700 });
      writePrivateFile(place.configuration, configuration(options, keys));
      writePrivateFile(place.logging, LOGGING);
      const user = userBelow(home);
      if (user) for (const path of Object.values(place)) chownSync(path, user.uid, user.gid);
      const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
      const java = ['-cp', binary.classPath, `-Dlog4j2.configurationFile=${place.logging}`];
      if (!existsSync(join(place.data, 'meta.properties'))) {
        const format = [
          'kafka.tools.StorageTool',
          'format',
          '--ignore-formatted',
          `--cluster-id=${keys.clusterId}`,
          '-c',
          place.configuration,
        ];
        await run(binary.java, [...java, ...format], { env, cwd: place.folder, ...user });
      }
      return {
        command: binary.java,
        args: [...MEMORY, ...java, 'kafka.Kafka', place.configuration],
        env,
        cwd: place.folder,
        ...user,
      };
    },
  });
}

/** What the worker reaches it by; a secret. */
export function kafkaAdminUrl({ home, ports }: KafkaServer): string {
  const { password } = loadKeys(home);
  return formatKafkaAdminUrl({
    username: PLATFORM_USER,
    password,
    brokers: [{ host: '127.0.0.1', port: ports.platform }],
    tenantBrokers: [{ host: '127.0.0.1', port: ports[''] }],
    mechanism: 'PLAIN',
    tls: false,
  });
}

/** Where topics are, a folder for each partition. */
export function kafkaDataFolder(home: string): string {
  return placeOf(home).data;
}

function placeOf(home: string) {
  const folder = join(home, KAFKA);
  return {
    folder,
    data: join(folder, 'data'),
    configuration: join(folder, 'server.properties'),
    logging: join(folder, 'log4j2.properties'),
  };
}

interface KafkaKeys {
  clusterId: string;
  password: string;
}

/** Beside the server's folder, not in it: the server runs as another user where it can. */
function loadKeys(home: string): KafkaKeys {
  const file = join(home, 'kafka-keys.json');
  if (existsSync(file)) return parseKeys(file);
  const keys = { clusterId: randomBytes(16).toString('base64url'), password: randomBytes(32).toString('hex') };
  writePrivateFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

function parseKeys(file: string): KafkaKeys {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as KafkaKeys;
  } catch {
    throw new StackError(`${file} is not JSON: restore it from a backup; the data belongs to the cluster that is named in it`);
  }
}

const MEMORY = [
  '-Xms128m',
  '-Xmx384m',
  '-XX:MaxDirectMemorySize=128m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:+ExitOnOutOfMemoryError',
  '-Djava.awt.headless=true',
];

const LOGGING = `appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`;

function configuration({ ports }: KafkaServer & { binary: unknown }, keys: KafkaKeys): string {
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required username="${PLATFORM_USER}" password="${keys.password}" user_${PLATFORM_USER}="${keys.password}";`;
  return Object.entries({
    ...listeners(ports, login),
    ...rights(),
    ...bounds(),
    ...singleNode(),
    'log.dirs': 'data',
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function listeners(ports: KafkaServer['ports'], login: string): Record<string, string | number> {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    listeners: `TENANTS://127.0.0.1:${ports['']},PLATFORM://127.0.0.1:${ports.platform},CONTROLLER://127.0.0.1:${ports.controller}`,
    'listener.security.protocol.map': 'TENANTS:SASL_PLAINTEXT,PLATFORM:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLATFORM',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'sasl.mechanism.controller.protocol': 'PLAIN',
    'listener.name.tenants.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.tenants.scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    // PLAIN knows the users that stand here and no other: a tenant's credential opens neither.
    'listener.name.platform.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.platform.plain.sasl.jaas.config': login,
    'listener.name.controller.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.controller.plain.sasl.jaas.config': login,
    // Whoever takes all of the tenants' connections leaves the platform its own.
    'listener.name.tenants.max.connections': 1_000,
    'listener.name.tenants.scram-sha-512.connections.max.reauth.ms': 15 * 60_000,
  };
}

function rights(): Record<string, string | number> {
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': 'false',
    'super.users': `User:${PLATFORM_USER}`,
    'create.topic.policy.class.name': 'leasehold.TenantTopicPolicy',
    'leasehold.topic.partitions': 12,
    // Drivers expect it; rights and the policy bound it as they bound any making of a topic.
    'auto.create.topics.enable': 'true',
    'num.partitions': 1,
  };
}

function bounds(): Record<string, string | number> {
  return {
    'log.retention.ms': 7 * 24 * 3_600_000,
    // Of a partition.
    'log.retention.bytes': 1024 * MB,
    'log.retention.check.interval.ms': 60_000,
    'log.segment.bytes': 16 * MB,
    'log.index.size.max.bytes': MB,
    // A deleted topic's folders go this much later.
    'log.segment.delete.delay.ms': 1_000,
    'log.initial.task.delay.ms': 1_000,
    // What is acknowledged is the system's to write: a power cut loses at most this much.
    'log.flush.interval.ms': 1_000,
    'log.flush.scheduler.interval.ms': 1_000,
    'message.max.bytes': MB + 4096,
    'socket.request.max.bytes': 8 * MB,
    'queued.max.request.bytes': 64 * MB,
    'fetch.max.bytes': 16 * MB,
    'log.cleaner.dedupe.buffer.size': 16 * MB,
    'log.cleaner.threads': 1,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'group.initial.rebalance.delay.ms': 0,
    'group.max.session.timeout.ms': 300_000,
    'offsets.retention.minutes': 7 * 24 * 60,
    // Transactional ids cannot be deleted, they can only expire.
    'transactional.id.expiration.ms': 3_600_000,
    'transaction.remove.expired.transaction.cleanup.interval.ms': 600_000,
  };
}

function singleNode(): Record<string, string | number> {
  return {
    'offsets.topic.num.partitions': 10,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.num.partitions': 10,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.coordinator.rebalance.protocols': 'classic',
  };
}

async function logIn(port: number, { password }: KafkaKeys): Promise<void> {
  const connection = new Connection('leasehold', {
    connectTimeout: 2_000,
    requestTimeout: 2_000,
    sasl: { mechanism: 'PLAIN', username: PLATFORM_USER, password },
  });
  // It says so besides rejecting.
  connection.on('error', () => undefined);
  try {
    await connection.connect('127.0.0.1', port);
  } finally {
    await connection.close();
  }
}
