// What the worker and the host workers read from their environment, checked once at start.
import { Environment, readConfig } from '../../shared/config';

/** What every process has that runs Temporal workers. */
export type WorkerProcessConfig = ReturnType<typeof readCommon>;
export type WorkerConfig = ReturnType<typeof readWorkerConfig>;

function readCommon(process: 'worker' | 'host', environment: Environment) {
  const data = readConfig<'worker' | 'host'>(process, environment);
  return {
    databaseUrl: data.LEASEHOLD_DATABASE_URL,
    temporalAddress: data.LEASEHOLD_TEMPORAL_ADDRESS,
    temporalNamespace: data.LEASEHOLD_TEMPORAL_NAMESPACE,
    keyring: data.LEASEHOLD_KEYRING,
    installationId: data.LEASEHOLD_INSTALLATION_ID,
    plansFile: data.LEASEHOLD_PLANS,
    backendsFile: data.LEASEHOLD_BACKENDS,
    logLevel: data.LEASEHOLD_LOG,
    metricsPort: data.LEASEHOLD_WORKER_METRICS_PORT ?? 0,
    encryptsPayloads: data.LEASEHOLD_PAYLOAD_CODEC,
    environment,
    /** The admin url of a backend; the file names the variable, the environment holds the secret. */
    secretOf: (variable: string): string | undefined => environment.text(variable),
  };
}

/** @throws ConfigError with one line that names the variable. */
export function readWorkerConfig(env: NodeJS.ProcessEnv) {
  const environment = new Environment(env);
  const { LEASEHOLD_POOL_REFILL: refillPools, LEASEHOLD_MAX_CACHED_WORKFLOWS: maxCachedWorkflows } = readConfig('worker', environment);
  return { ...readCommon('worker', environment), refillPools, maxCachedWorkflows };
}

/** @throws ConfigError with one line that names the variable. */
export function readHostConfig(env: NodeJS.ProcessEnv) {
  const environment = new Environment(env);
  const data = readConfig('host', environment);
  const [first, last] = data.LEASEHOLD_HOST_UIDS;
  return {
    ...readCommon('host', environment),
    name: data.LEASEHOLD_HOST_NAME,
    directory: data.LEASEHOLD_HOST_DIRECTORY,
    uidRange: { first, last },
    bindAddress: data.LEASEHOLD_HOST_BIND,
    sandbox: data.LEASEHOLD_HOST_SANDBOX,
  };
}
