// The embedded RabbitMQ: on loopback, without epmd and without Erlang's own port, administered over its management plugin alone.
import { createHash, randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { formatRabbitmqAdminUrl } from '../../shared/queueprovider';
import { StackError } from '../errors';
import { writePrivateFile } from '../paths';
import { userBelow } from '../postgres-place';
import type { ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import type { RabbitmqBinary } from './rabbitmq-binary';
import { serverDefinition } from './supervised';

export const RABBITMQ = 'rabbitmq';
export const RABBITMQ_MANAGEMENT = 'rabbitmq-management';

const ADMINISTRATOR = 'leasehold';
/** A name that is looked up in no network. */
const NODE = 'leasehold@localhost';
/** A start replays what was not shut down cleanly, and on a busy machine an empty one takes half a minute already. */
const READY_MS = 120_000;
const GRACE_MS = 10_000;

export interface RabbitmqOptions {
  home: string;
  binary: Pick<RabbitmqBinary, 'path' | 'erlangFolder' | 'version'>;
  port: number;
  managementPort: number;
  leftover?: ProcessIdentity;
  /** How often queues tell their sizes. Default 2000. */
  statisticsIntervalMs?: number;
}

interface RabbitmqKeys {
  administratorPassword: string;
  /** Of the server's password hash: the same at every start. */
  salt: string;
  cookie: string;
}

export function rabbitmqDefinition(options: RabbitmqOptions): ServiceDefinition {
  const { home, binary, port, managementPort, leftover } = options;
  const place = placeOf(home);
  return serverDefinition({
    name: RABBITMQ,
    port,
    url: `amqp://127.0.0.1:${port}`,
    logFile: join(home, 'logs', `${RABBITMQ}.log`),
    leftover,
    probe: () => greeting(port),
    graceMs: GRACE_MS,
    readyMs: READY_MS,
    async prepare() {
      for (const folder of [place.folder, place.data, place.logs]) mkdirSync(folder, { recursive: true, mode: 0o700 });
      const keys = loadKeys(home);
      writePrivateFile(place.cookie, keys.cookie);
      writePrivateFile(place.definitions, definitions(keys));
      writePrivateFile(place.configuration, configuration(options));
      writePrivateFile(place.plugins, '[rabbitmq_management].\n');
      const user = userBelow(home);
      if (user) for (const path of Object.values(place)) chownSync(path, user.uid, user.gid);
      return {
        command: binary.path,
        // Nothing reads these; they are how the server is known again after the stack was killed.
        args: ['-leasehold', place.folder, String(port), String(managementPort)],
        env: environment(options),
        cwd: '/',
        ...user,
      };
    },
  });
}

/** What the worker reaches it by; a secret. */
export function rabbitmqAdminUrl({ home, port, managementPort }: Pick<RabbitmqOptions, 'home' | 'port' | 'managementPort'>): string {
  return formatRabbitmqAdminUrl({
    amqp: `amqp://127.0.0.1:${port}`,
    management: `http://127.0.0.1:${managementPort}`,
    username: ADMINISTRATOR,
    password: loadKeys(home).administratorPassword,
  });
}

function placeOf(home: string) {
  const folder = join(home, RABBITMQ);
  return {
    folder,
    data: join(folder, 'data'),
    logs: join(folder, 'logs'),
    cookie: join(folder, '.erlang.cookie'),
    configuration: join(folder, 'rabbitmq.conf'),
    definitions: join(folder, 'definitions.json'),
    plugins: join(folder, 'enabled_plugins'),
  };
}

/** Beside the server's folder, not in it: the server runs as another user where it can, and is given the password's hash alone. */
function loadKeys(home: string): RabbitmqKeys {
  const file = join(home, 'rabbitmq-keys.json');
  if (existsSync(file)) {
    try {
      return JSON.parse(readFileSync(file, 'utf8'));
    } catch {
      throw new StackError(`${file} is not JSON: delete it; the next start makes new ones`);
    }
  }
  const keys: RabbitmqKeys = {
    administratorPassword: randomBytes(30).toString('base64url'),
    salt: randomBytes(4).toString('hex'),
    cookie: randomBytes(30).toString('hex'),
  };
  writePrivateFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

/** Applied at every start. Where there are definitions the server makes neither `guest` nor a vhost `/`. */
function definitions({ administratorPassword, salt }: RabbitmqKeys): string {
  const bytes = Buffer.from(salt, 'hex');
  const digest = createHash('sha256').update(bytes).update(administratorPassword, 'utf8').digest();
  const administrator = {
    name: ADMINISTRATOR,
    password_hash: Buffer.concat([bytes, digest]).toString('base64'),
    hashing_algorithm: 'rabbit_password_hashing_sha256',
    tags: 'administrator',
  };
  return `${JSON.stringify({ users: [administrator], vhosts: [], permissions: [] }, null, 2)}\n`;
}

function configuration({ home, port, managementPort, statisticsIntervalMs = 2_000 }: RabbitmqOptions): string {
  const place = placeOf(home);
  return [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${managementPort}`,
    `load_definitions = ${place.definitions}`,
    // A message's properties are in one frame and count as no bytes of a queue: so they are small.
    'max_message_size = 1048576',
    'frame_max = 8192',
    'channel_max = 128',
    // Whoever does not read what it is sent is closed, and keeps nobody who closes it waiting.
    'tcp_listen_options.send_timeout = 5000',
    'tcp_listen_options.send_timeout_close = true',
    'handshake_timeout = 10000',
    // Beyond either, all who publish have to wait: the server stays alive.
    'vm_memory_high_watermark.absolute = 512MB',
    'disk_free_limit.absolute = 1GB',
    `collect_statistics_interval = ${statisticsIntervalMs}`,
    'management.rates_mode = none',
    'log.console = false',
    `log.file = ${join(place.logs, 'rabbitmq.log')}`,
    // A line for each thing that is refused: without an end, any tenant could fill the disk with them.
    'log.file.level = warning',
    'log.file.rotation.size = 5242880',
    'log.file.rotation.count = 4',
    '',
  ].join('\n');
}

/**
 * Features that a new node of 3.10 has from its first start. Left out are quorum queues and streams, whose logs are larger than any limit of
 * a tenant's bytes. Later versions have them in any case, and do not know these names.
 */
const FEATURES = [
  'drop_unroutable_metric',
  'empty_basic_get_metric',
  'implicit_default_bindings',
  'maintenance_mode_status',
  'user_limits',
  'virtual_host_metadata',
];

function environment({ home, binary }: RabbitmqOptions): Record<string, string> {
  const place = placeOf(home);
  return {
    PATH: `${binary.erlangFolder}:/usr/local/bin:/usr/bin:/bin`,
    HOME: place.folder,
    LC_ALL: 'C.UTF-8',
    // The script then gives its place to the server, instead of waiting beside it.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: NODE,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: place.configuration,
    RABBITMQ_ENABLED_PLUGINS_FILE: place.plugins,
    RABBITMQ_MNESIA_BASE: place.data,
    RABBITMQ_LOG_BASE: place.logs,
    ...(binary.version.startsWith('3.10.') ? { RABBITMQ_FEATURE_FLAGS: FEATURES.join(',') } : {}),
    // Erlang's own network is off: no epmd, which would stay behind, and no port that whoever has the cookie could command the server by.
    // The server asks for that port once, and a number is all that it wants.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-sname ${NODE} -start_epmd false -dist_listen false -erl_epmd_port 1 +S 1:1`,
  };
}

/** The port is opened last of all. A client speaks first; a server of another kind answers otherwise. */
function greeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(5_000, () => fail(new Error('no greeting')));
    socket.once('error', fail);
    socket.once('close', () => reject(new Error('hung up')));
    socket.once('connect', () => socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1')));
    socket.once('data', (chunk: Buffer) => {
      socket.destroy();
      // A method frame on channel 0: connection.start.
      if (chunk[0] === 1 && chunk.readUInt16BE(1) === 0) resolve();
      else reject(new Error('another program answers'));
    });
  });
}
