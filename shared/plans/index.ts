// The plans: limits, prices, TTLs and rungs, read from plans.yaml, and the backends of backends.yaml.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import {
  connectionsLimit,
  PLAN_DEFAULTS,
  PLAN_KINDS,
  type Plan,
  type PlanKind,
  type PlanPolicy,
  RATE_NAMES,
  type RateName,
  rungLabel,
  storageLimitMb,
} from './types';
import { durationMs, parseYamlFile, positiveDurationMs } from './yamlfile';

export { type BackendConfig, type BackendsFile, environmentNames, type HostConfig, isConfigured, loadBackends } from './backends';
export * from './types';

const ANONYMOUS = 'anonymous';
const YEARLY_SUFFIX = '_yearly';

const limit = z.int().min(-1);
const count = z.int().min(0);
const atLeastOne = z.int().min(1);
const percent = z.number().min(0).max(100);
const lifetimeMs = z.union([z.literal('none').transform(() => null), positiveDurationMs]);
const rungsMs = z
  .array(positiveDurationMs)
  .refine((rungs) => new Set(rungs).size === rungs.length, { message: 'has the same rung twice' })
  .transform((rungs) => [...rungs].sort((a, b) => b - a));

/** What Postgres takes for temp_file_limit and statement_timeout, which are 32 bits wide. */
const MOST_TEMP_FILE_MB = 1024 * 1024;
const MOST_STATEMENT_TIMEOUT_MS = 7 * 24 * 3_600_000;
/** What the largest setting of a NATS server lets through. */
const MOST_MESSAGE_KB = 64 * 1024;
/** Room for the largest request. */
const LEAST_RING_MB = 2;
const statementTimeoutMs = positiveDurationMs.refine((ms) => ms <= MOST_STATEMENT_TIMEOUT_MS, { message: 'must not be longer than 7d' });

const planSchema = z
  .strictObject({
    display_name: z.string().min(1),
    price_monthly_cents: count,
    annual_discount_percent: percent,
    yearly: z.boolean(),
    provisions_per_day: limit,
    ttl: lifetimeMs,
    max_ttl: lifetimeMs,
    rungs: rungsMs,
    grace: durationMs,
    rotation_grace: durationMs,
    fairness_weight: z.number().positive(),
    postgres_storage_mb: limit,
    postgres_connections: limit,
    postgres_temp_file_mb: atLeastOne.max(MOST_TEMP_FILE_MB).default(PLAN_DEFAULTS.tempFileMb),
    postgres_statement_timeout: statementTimeoutMs.default(PLAN_DEFAULTS.statementTimeoutMs),
    vector_storage_mb: limit,
    vector_connections: limit,
    vector_temp_file_mb: atLeastOne.max(MOST_TEMP_FILE_MB).default(PLAN_DEFAULTS.tempFileMb),
    vector_statement_timeout: statementTimeoutMs.default(PLAN_DEFAULTS.statementTimeoutMs),
    redis_memory_mb: limit,
    redis_commands_per_day: limit,
    mongodb_storage_mb: limit,
    mongodb_connections: limit,
    mongodb_ops_per_minute: limit,
    queue_storage_mb: limit,
    queue_count: limit,
    queue_connections: atLeastOne.default(PLAN_DEFAULTS.queueConnections),
    queue_streams: atLeastOne.default(PLAN_DEFAULTS.queueStreams),
    queue_consumers_per_stream: atLeastOne.default(PLAN_DEFAULTS.queueConsumersPerStream),
    queue_message_kb: atLeastOne.max(MOST_MESSAGE_KB).default(PLAN_DEFAULTS.queueMessageKb),
    storage_storage_mb: limit,
    webhook_requests_stored: limit,
    webhook_ring_mb: z.int().min(LEAST_RING_MB).optional(),
    webhook_body_kb: atLeastOne.max(PLAN_DEFAULTS.webhookBodyKb).default(PLAN_DEFAULTS.webhookBodyKb),
    webhook_mb_per_minute: atLeastOne.default(PLAN_DEFAULTS.webhookMbPerMinute),
    team_members: limit,
    vault_max_entries: limit,
    vault_envs: z.array(z.string().min(1)),
    deployments_apps: limit,
    backup_retention_days: count,
    backup_restore_enabled: z.boolean(),
    manual_backups_per_day: limit,
    rpo_minutes: count,
    rto_minutes: count,
    custom_domains_max: limit,
    resource_count_limit: z.strictObject({
      postgres: limit,
      vector: limit,
      redis: limit,
      mongodb: limit,
      queue: limit,
      storage: limit,
      webhook: limit,
    }),
    dedicated_backends: z.boolean(),
  })
  .superRefine((plan, context) => {
    if (plan.max_ttl !== null && (plan.ttl === null || plan.ttl > plan.max_ttl)) {
      context.addIssue({ code: 'custom', path: ['max_ttl'], message: 'must not be shorter than ttl' });
    }
  });

const planKey = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, { message: 'a plan key is lower-case letters, digits and _' })
  .refine((key) => !key.endsWith(YEARLY_SUFFIX), { message: `write yearly: true instead of a plan that ends in ${YEARLY_SUFFIX}` });

const rate = z
  .strictObject({ limit: z.int().min(1), per: positiveDurationMs })
  .refine(({ per }) => per % 1000 === 0, { path: ['per'], message: 'must be whole seconds' })
  .transform(({ limit, per }): RateLimit => ({ limit, windowSeconds: per / 1000 }));

const poolSchema = z.strictObject({ size: count });

const fileSchema = z.strictObject({
  minimum_ttl: positiveDurationMs,
  rates: z.strictObject(Object.fromEntries(RATE_NAMES.map((name) => [name, rate])) as Record<RateName, typeof rate>),
  idempotency: z.strictObject({ kept: positiveDurationMs }),
  plans: z.record(planKey, planSchema).superRefine((plans, context) => {
    if (!Object.hasOwn(plans, ANONYMOUS)) context.addIssue({ code: 'custom', path: [ANONYMOUS], message: 'is missing' });
  }),
  pool: z.strictObject({
    postgres: poolSchema,
    vector: poolSchema.optional(),
    redis: poolSchema.optional(),
    mongodb: poolSchema.optional(),
  }),
  quota: z
    .strictObject({
      read_only_at_percent: z.number().positive(),
      suspend_at_percent: z.number().positive(),
      lift_below_percent: z.number().positive(),
      measure_interval: positiveDurationMs,
    })
    .superRefine((quota, context) => {
      if (quota.lift_below_percent > quota.read_only_at_percent) {
        context.addIssue({ code: 'custom', path: ['lift_below_percent'], message: 'must not be above read_only_at_percent' });
      }
      if (quota.suspend_at_percent < quota.read_only_at_percent) {
        context.addIssue({ code: 'custom', path: ['suspend_at_percent'], message: 'must not be below read_only_at_percent' });
      }
    }),
  sweep: z.strictObject({ interval: positiveDurationMs, orphan_minimum_age: positiveDurationMs }),
});
type PlansFile = z.output<typeof fileSchema>;
type PlanEntry = z.output<typeof planSchema>;

/** So many in a window of time. */
export interface RateLimit {
  limit: number;
  windowSeconds: number;
}
export interface PoolSettings {
  /** Items that shall be ready, on each backend. */
  size: number;
}
export interface QuotaSettings {
  readOnlyAtPercent: number;
  suspendAtPercent: number;
  liftBelowPercent: number;
  measureIntervalMs: number;
}
export interface SweepSettings {
  intervalMs: number;
  /** An orphan younger than this is left alone. */
  orphanMinimumAgeMs: number;
}

/** One row of `GET /api/v1/capabilities`, in its wire names. */
export interface CapabilityTier {
  tier: string;
  display_name: string;
  price_usd_monthly: number;
  paid_from_day_one: boolean;
  storage_limit_mb: Record<PlanKind, number>;
  connections_limit: Record<PlanKind, number>;
  resource_count_limit: Record<PlanKind, number>;
  deployments_apps: number;
  backup_retention_days: number;
  backup_restore_enabled: boolean;
  manual_backups_per_day: number;
  rpo_minutes: number;
  rto_minutes: number;
  annual_discount_percent: number;
  /** Empty for the terminal tier. */
  upgrade_url: string;
  is_terminal_tier: boolean;
  ttl_seconds: number | null;
  expiry_warnings: string[];
  grace_seconds: number;
}

function toPlan(key: string, rank: number, entry: PlanEntry): Plan {
  return {
    key,
    displayName: entry.display_name,
    rank,
    priceMonthlyCents: entry.price_monthly_cents,
    annualDiscountPercent: entry.annual_discount_percent,
    provisionsPerDay: entry.provisions_per_day,
    ttlMs: entry.ttl,
    maxTtlMs: entry.max_ttl,
    rungsMs: entry.rungs,
    graceMs: entry.grace,
    rotationGraceMs: entry.rotation_grace,
    fairnessWeight: entry.fairness_weight,
    postgresStorageMb: entry.postgres_storage_mb,
    postgresConnections: entry.postgres_connections,
    postgresTempFileMb: entry.postgres_temp_file_mb,
    postgresStatementTimeoutMs: entry.postgres_statement_timeout,
    vectorStorageMb: entry.vector_storage_mb,
    vectorConnections: entry.vector_connections,
    vectorTempFileMb: entry.vector_temp_file_mb,
    vectorStatementTimeoutMs: entry.vector_statement_timeout,
    redisMemoryMb: entry.redis_memory_mb,
    redisCommandsPerDay: entry.redis_commands_per_day,
    mongodbStorageMb: entry.mongodb_storage_mb,
    mongodbConnections: entry.mongodb_connections,
    mongodbOpsPerMinute: entry.mongodb_ops_per_minute,
    queueStorageMb: entry.queue_storage_mb,
    queueCount: entry.queue_count,
    queueConnections: entry.queue_connections,
    queueStreams: entry.queue_streams,
    queueConsumersPerStream: entry.queue_consumers_per_stream,
    queueMessageKb: entry.queue_message_kb,
    storageStorageMb: entry.storage_storage_mb,
    webhookRequestsStored: entry.webhook_requests_stored,
    webhookRingMb: entry.webhook_ring_mb ?? null,
    webhookBodyKb: entry.webhook_body_kb,
    webhookMbPerMinute: entry.webhook_mb_per_minute,
    teamMembers: entry.team_members,
    vaultMaxEntries: entry.vault_max_entries,
    vaultEnvs: entry.vault_envs,
    deploymentsApps: entry.deployments_apps,
    backupRetentionDays: entry.backup_retention_days,
    backupRestoreEnabled: entry.backup_restore_enabled,
    manualBackupsPerDay: entry.manual_backups_per_day,
    rpoMinutes: entry.rpo_minutes,
    rtoMinutes: entry.rto_minutes,
    customDomainsMax: entry.custom_domains_max,
    resourceCountLimit: entry.resource_count_limit,
    dedicatedBackends: entry.dedicated_backends,
  };
}

function byKind(value: (kind: PlanKind) => number): Record<PlanKind, number> {
  return Object.fromEntries(PLAN_KINDS.map((kind) => [kind, value(kind)])) as Record<PlanKind, number>;
}

/** What plans.yaml says. Immutable: a changed file is a new object. */
export class Plans {
  /** The shortest life that may be asked for. */
  readonly minimumTtlMs: number;
  /** What is made ahead, by kind; nothing of a kind that is not in it. */
  readonly pool: Readonly<Partial<Record<PlanKind, PoolSettings>>>;
  readonly quota: QuotaSettings;
  readonly sweep: SweepSettings;
  readonly rates: Readonly<Record<RateName, RateLimit>>;
  /** How long an answer is kept for repeats under its Idempotency-Key. */
  readonly idempotency: { readonly keptMs: number };
  readonly #ranked: Plan[];
  readonly #byTier = new Map<string, Plan>();
  readonly #anonymous: Plan;

  constructor(file: PlansFile) {
    this.minimumTtlMs = file.minimum_ttl;
    this.rates = file.rates;
    this.idempotency = { keptMs: file.idempotency.kept };
    this.pool = file.pool;
    this.quota = {
      readOnlyAtPercent: file.quota.read_only_at_percent,
      suspendAtPercent: file.quota.suspend_at_percent,
      liftBelowPercent: file.quota.lift_below_percent,
      measureIntervalMs: file.quota.measure_interval,
    };
    this.sweep = { intervalMs: file.sweep.interval, orphanMinimumAgeMs: file.sweep.orphan_minimum_age };
    this.#ranked = Object.entries(file.plans).map(([key, entry], rank) => {
      const plan = toPlan(key, rank, entry);
      this.#byTier.set(key, plan);
      if (entry.yearly) {
        const yearly = { ...plan, key: `${key}${YEARLY_SUFFIX}`, displayName: `${plan.displayName} (yearly)` };
        this.#byTier.set(yearly.key, yearly);
      }
      return plan;
    });
    const anonymous = this.#byTier.get(ANONYMOUS);
    if (!anonymous) throw new Error('no anonymous plan');
    this.#anonymous = anonymous;
  }

  /** The plans of the file, lowest rank first, without the yearly variants. */
  all(): Plan[] {
    return [...this.#ranked];
  }

  /** The plan of a tier, yearly variants included; the anonymous one for a tier that is unknown. */
  byTier(tier: string): Plan {
    return this.#byTier.get(tier) ?? this.#anonymous;
  }

  policyFor(tier: string): PlanPolicy {
    const plan = this.byTier(tier);
    return {
      tier: plan.key,
      ttlMs: plan.ttlMs,
      maxTtlMs: plan.maxTtlMs,
      minimumTtlMs: this.minimumTtlMs,
      rungsMs: [...plan.rungsMs],
      graceMs: plan.graceMs,
      rotationGraceMs: plan.rotationGraceMs,
      fairnessWeight: plan.fairnessWeight,
    };
  }

  /** The tier rows of `GET /api/v1/capabilities`, lowest rank first. */
  capabilities(upgradeUrl: string): CapabilityTier[] {
    return this.#ranked.map((plan, rank) => {
      const isTerminal = rank === this.#ranked.length - 1;
      return {
        tier: plan.key,
        display_name: plan.displayName,
        price_usd_monthly: plan.priceMonthlyCents / 100,
        paid_from_day_one: plan.priceMonthlyCents > 0,
        storage_limit_mb: byKind((kind) => storageLimitMb(plan, kind)),
        connections_limit: byKind((kind) => connectionsLimit(plan, kind)),
        resource_count_limit: { ...plan.resourceCountLimit },
        deployments_apps: plan.deploymentsApps,
        backup_retention_days: plan.backupRetentionDays,
        backup_restore_enabled: plan.backupRestoreEnabled,
        manual_backups_per_day: plan.manualBackupsPerDay,
        rpo_minutes: plan.rpoMinutes,
        rto_minutes: plan.rtoMinutes,
        annual_discount_percent: plan.annualDiscountPercent,
        upgrade_url: isTerminal ? '' : upgradeUrl,
        is_terminal_tier: isTerminal,
        ttl_seconds: plan.ttlMs === null ? null : plan.ttlMs / 1000,
        expiry_warnings: plan.rungsMs.map(rungLabel),
        grace_seconds: plan.graceMs / 1000,
      };
    });
  }
}

/**
 * Reads the plans.
 * @throws Error with the one line `plans.yaml:<line>: <key path>: <reason>`
 */
export function loadPlans(path: string): Plans {
  return new Plans(parseYamlFile(path, readFileSync(path, 'utf8'), fileSchema));
}

export interface PlansWatch {
  /** The plans of the newest file that was whole. */
  current(): Plans;
  stop(): void;
}

export interface WatchPlansOptions {
  /** Called once for each broken version of the file; the plans before it stay in force. */
  onError?: (error: Error) => void;
  /** Default 2000 ms. */
  intervalMs?: number;
}

/**
 * Loads the plans and follows the file. Its text is compared, not its watch events: editors and config maps replace files in ways that
 * lose a watch. The timer does not keep the process alive.
 * @throws Error as `loadPlans` does, for the first read only
 */
export function watchPlans(path: string, onChange: (plans: Plans) => void, options: WatchPlansOptions = {}): PlansWatch {
  let text = readFileSync(path, 'utf8');
  let plans = new Plans(parseYamlFile(path, text, fileSchema));
  let lastError = '';
  let reading = false;
  let stopped = false;
  const look = async () => {
    if (reading) return;
    reading = true;
    try {
      const newText = await readFile(path, 'utf8');
      if (stopped || newText === text) return;
      text = newText;
      plans = new Plans(parseYamlFile(path, newText, fileSchema));
      lastError = '';
      onChange(plans);
    } catch (error) {
      const known = error instanceof Error ? error : new Error(String(error));
      if (known.message !== lastError) options.onError?.(known);
      lastError = known.message;
    } finally {
      reading = false;
    }
  };
  const timer = setInterval(() => void look(), options.intervalMs ?? 2_000);
  timer.unref();
  return {
    current: () => plans,
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
}
