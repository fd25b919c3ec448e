// What the worker process reads from its environment, checked once at start.
import { z } from 'zod';

const environment = z.object({
  LEASEHOLD_DATABASE_URL: z.string().min(1),
  LEASEHOLD_TEMPORAL_ADDRESS: z.string().min(1),
  LEASEHOLD_TEMPORAL_NAMESPACE: z.string().min(1).default('leasehold'),
  LEASEHOLD_KEYRING: z.string().min(1),
  LEASEHOLD_INSTALLATION_ID: z.string().regex(/^[a-z2-7]{8}$/, 'must be 8 characters of a-z2-7'),
  LEASEHOLD_PLANS: z.string().min(1).default('plans.yaml'),
  LEASEHOLD_BACKENDS: z.string().min(1).default('backends.yaml'),
  LEASEHOLD_LOG: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
  LEASEHOLD_HOST: z.string().default('127.0.0.1'),
  LEASEHOLD_WORKER_METRICS_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  LEASEHOLD_POOL_REFILL: z.enum(['on', 'off']).default('on'),
  LEASEHOLD_MAX_CACHED_WORKFLOWS: z.coerce.number().int().min(1).default(500),
});

export type WorkerConfig = ReturnType<typeof readWorkerConfig>;

/** @throws Error with one line that names the variable. */
export function readWorkerConfig(env: NodeJS.ProcessEnv) {
  const parsed = environment.safeParse(env);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`${issue?.path.join('.') ?? 'environment'}: ${issue?.message ?? 'is wrong'}; see docs/configuration.md`);
  }
  const { data } = parsed;
  return {
    databaseUrl: data.LEASEHOLD_DATABASE_URL,
    temporalAddress: data.LEASEHOLD_TEMPORAL_ADDRESS,
    temporalNamespace: data.LEASEHOLD_TEMPORAL_NAMESPACE,
    keyring: data.LEASEHOLD_KEYRING,
    installationId: data.LEASEHOLD_INSTALLATION_ID,
    plansFile: data.LEASEHOLD_PLANS,
    backendsFile: data.LEASEHOLD_BACKENDS,
    logLevel: data.LEASEHOLD_LOG,
    host: data.LEASEHOLD_HOST,
    metricsPort: data.LEASEHOLD_WORKER_METRICS_PORT,
    refillPools: data.LEASEHOLD_POOL_REFILL === 'on',
    maxCachedWorkflows: data.LEASEHOLD_MAX_CACHED_WORKFLOWS,
    /** The admin url of a backend; the file names the variable, the environment holds the secret. */
    secretOf: (variable: string): string | undefined => env[variable] || undefined,
  };
}
