// The platform's connection to a Kafka cluster: one client for each backend, which connects when it is asked something and not by itself.
import {
  Admin,
  AuthenticationError,
  type Connection,
  describeUserScramCredentialsV0,
  GenericError,
  MultipleErrors,
  type SASLOptions,
} from '@platformatic/kafka';
import { formatKafkaBrokers, type KafkaAdmin, parseKafkaAdminUrl } from '../../../shared/queueprovider';
import { isProviderError, ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import { tidied } from './tidy';

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Brokers that joined meanwhile are asked too, this much later. */
const METADATA_AGE_MS = 10_000;

export interface KafkaLogin {
  brokers: readonly { host: string; port: number }[];
  tls: boolean;
  /** Absent: without a password. */
  sasl?: SASLOptions;
}

export class KafkaCluster {
  readonly #client: Admin;
  readonly #name: string;
  readonly #place: string;

  constructor(
    backendName: string,
    readonly admin: KafkaAdmin,
  ) {
    this.#name = backendName;
    this.#place = formatKafkaBrokers(admin.brokers);
    const { brokers, tls, mechanism, username, password } = admin;
    this.#client = openAdmin({ brokers, tls, sasl: { mechanism, username, password } });
  }

  /** @throws ProviderMisconfigured, ProviderUnavailable */
  async ask<T>(question: (client: Admin) => Promise<T>): Promise<T> {
    try {
      return await question(this.#client);
    } catch (error) {
      throw this.#toError(error);
    }
  }

  /** Each broker keeps to what it has heard itself: what must hold everywhere is asked everywhere. */
  everyBroker<T>(question: (connection: Connection, nodeId: number) => Promise<T>): Promise<T[]> {
    return this.ask(async (client) => {
      const connections = await connectedBrokers(client);
      return Promise.all([...connections].map(([nodeId, connection]) => question(connection, nodeId)));
    });
  }

  /** For what any broker answers, or passes on. */
  anyBroker<T>(question: (connection: Connection) => Promise<T>): Promise<T> {
    return this.ask(async (client) => {
      const [connection] = (await connectedBrokers(client)).values();
      if (connection === undefined) throw new ProviderUnavailable(`${this.#name}: the cluster names no broker`);
      return question(connection);
    });
  }

  async close(): Promise<void> {
    await this.#client.close().catch(() => {});
  }

  #toError(error: unknown): Error {
    if (isProviderError(error)) return error;
    const why = reasonOf(error);
    if (hasCause(error, (cause) => cause instanceof AuthenticationError))
      return new ProviderMisconfigured(
        `${this.#name}: ${this.#place} refuses the admin url's user: give one that it knows, with its mechanism`,
      );
    if (isAnswer(error, 'SECURITY_DISABLED'))
      return new ProviderMisconfigured(`${this.#name}: the cluster has no authorizer: set authorizer.class.name to StandardAuthorizer`);
    if (isAnswer(error, 'CLUSTER_AUTHORIZATION_FAILED'))
      return new ProviderMisconfigured(`${this.#name}: the admin url's user is no super user: add it to super.users`);
    return new ProviderUnavailable(`${this.#name}: ${this.#place}: ${why}`);
  }
}

/** It tries nothing twice: whoever asks does, and says when. */
export function openAdmin({ brokers, tls, sasl }: KafkaLogin): Admin {
  const client = new Admin({
    clientId: 'leasehold',
    bootstrapBrokers: brokers.map(({ host, port }) => ({ host, port })),
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    timeout: REQUEST_TIMEOUT_MS,
    metadataMaxAge: METADATA_AGE_MS,
    retries: 0,
    ...(sasl ? { sasl } : {}),
    ...(tls ? { tls: {}, tlsServerName: true } : {}),
  });
  return tidied(client);
}

export async function connectedBrokers(client: Admin): Promise<Map<number, Connection>> {
  return (await client.connectToBrokers()) as Map<number, Connection>;
}

/** Every SCRAM user of the cluster. */
export async function scramUsers(cluster: KafkaCluster): Promise<string[]> {
  const { results } = await cluster.anyBroker((connection) => describeUserScramCredentialsV0.api.async(connection, []));
  return results.map(({ user }) => user);
}

/** Whether the server answered so, whatever the library wrapped it in. */
export function isAnswer(error: unknown, apiId: string): boolean {
  return hasCause(error, (cause) => (cause as { apiId?: unknown }).apiId === apiId);
}

function hasCause(error: unknown, matches: (cause: Error) => boolean): boolean {
  if (!(error instanceof Error)) return false;
  if (matches(error)) return true;
  const within = error instanceof MultipleErrors || error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return [...within, error.cause].some((inner) => inner !== undefined && hasCause(inner, matches));
}

/** The innermost message: outer ones say only that something failed. */
function reasonOf(error: unknown): string {
  if (error instanceof MultipleErrors && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof GenericError && error.cause instanceof Error) return reasonOf(error.cause);
  const { message, code, apiId } = Object(error) as { message?: unknown; code?: unknown; apiId?: unknown };
  return [apiId, message || code || 'unknown error'].filter(Boolean).join(': ');
}

/** One client for each backend, made anew when its admin url changed. */
export class KafkaClusters {
  readonly #adminUrlOf: (backendName: string) => string;
  readonly #clusters = new Map<string, { url: string; cluster: KafkaCluster }>();

  constructor(adminUrlOf: (backendName: string) => string) {
    this.#adminUrlOf = adminUrlOf;
  }

  of(backendName: string): KafkaCluster {
    const url = this.#adminUrlOf(backendName);
    const known = this.#clusters.get(backendName);
    if (known?.url === url) return known.cluster;
    void known?.cluster.close();
    const cluster = new KafkaCluster(backendName, this.adminOf(backendName));
    this.#clusters.set(backendName, { url, cluster });
    return cluster;
  }

  adminOf(backendName: string): KafkaAdmin {
    try {
      return parseKafkaAdminUrl(this.#adminUrlOf(backendName));
    } catch (error) {
      throw new ProviderMisconfigured(`${backendName}: ${error instanceof Error ? error.message : 'the admin url is wrong'}`);
    }
  }

  async close(): Promise<void> {
    const clusters = [...this.#clusters.values()];
    this.#clusters.clear();
    await Promise.all(clusters.map(({ cluster }) => cluster.close()));
  }
}
