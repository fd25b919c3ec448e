// What a plan is, and how durations are written: pure, so that workflow code may import it.

/** The kinds that have limits of their own in a plan. */
export const PLAN_KINDS = ['postgres', 'vector', 'redis', 'mongodb', 'queue', 'storage', 'webhook'] as const;
export type PlanKind = (typeof PLAN_KINDS)[number];

/** What is counted in windows of time. What each is counted by is said in docs/limits.md. */
export const RATE_NAMES = [
  'requests_per_credential',
  'requests_per_address',
  'requests_per_fingerprint',
  'provisions',
  'credential_mints',
  'presigns',
  'codec_calls',
  'webhook_replays',
  'logins',
  'login_polls',
  'failed_credentials',
] as const;
export type RateName = (typeof RATE_NAMES)[number];

/** The part of a plan that a resource's workflow is started with: it reads no file, so this is all it knows of the plan. */
export interface PlanPolicy {
  tier: string;
  /** Time to live when the caller asks for none; null = lives until deleted. */
  ttlMs: number | null;
  /** Longest life counted from creation, extensions included; null = no cap. */
  maxTtlMs: number | null;
  /** The shortest time to live that may be asked for, at creation or by extend. */
  minimumTtlMs: number;
  /** How long before `expiresAt` each warning fires, longest first. */
  rungsMs: number[];
  /** How long the data is kept after expiry, with access cut. */
  graceMs: number;
  /** How long the former credentials still work after a rotation. */
  rotationGraceMs: number;
  fairnessWeight: number;
}

export interface PostgresLimits {
  storageMb: number;
  connections: number;
}

/** The figures that a plan may leave out, and what a resource has that is older than they are. */
export const PLAN_DEFAULTS = {
  tempFileMb: 256,
  statementTimeoutMs: 60_000,
  queueConnections: 25,
  queueStreams: 10,
  queueConsumersPerStream: 20,
  queueMessageKb: 1024,
  webhookBodyKb: 1024,
  webhookMbPerMinute: 64,
} as const;

/** One plan. In every limit -1 means unlimited. */
export interface Plan {
  key: string;
  displayName: string;
  /** Position in plans.yaml, 0 first; a yearly variant has the rank of its monthly plan. */
  rank: number;
  priceMonthlyCents: number;
  annualDiscountPercent: number;
  /** Per fingerprint for the anonymous, per team otherwise. */
  provisionsPerDay: number;

  ttlMs: number | null;
  maxTtlMs: number | null;
  rungsMs: number[];
  graceMs: number;
  rotationGraceMs: number;
  fairnessWeight: number;

  postgresStorageMb: number;
  postgresConnections: number;
  postgresTempFileMb: number;
  postgresStatementTimeoutMs: number;
  vectorStorageMb: number;
  vectorConnections: number;
  vectorTempFileMb: number;
  vectorStatementTimeoutMs: number;
  redisMemoryMb: number;
  redisCommandsPerDay: number;
  mongodbStorageMb: number;
  mongodbConnections: number;
  mongodbOpsPerMinute: number;
  queueStorageMb: number;
  queueCount: number;
  /** Of the queue's own figures none is unlimited: one tenant's could otherwise use up what is everybody's. */
  queueConnections: number;
  queueStreams: number;
  queueConsumersPerStream: number;
  queueMessageKb: number;
  storageStorageMb: number;
  webhookRequestsStored: number;
  /** All stored requests of an inbox together; null = by the length of its ring. */
  webhookRingMb: number | null;
  webhookBodyKb: number;
  /** What an inbox takes in within a minute. */
  webhookMbPerMinute: number;
  teamMembers: number;
  vaultMaxEntries: number;
  /** The vault's environments that may be used; empty = any. */
  vaultEnvs: string[];
  deploymentsApps: number;
  backupRetentionDays: number;
  backupRestoreEnabled: boolean;
  manualBackupsPerDay: number;
  rpoMinutes: number;
  rtoMinutes: number;
  customDomainsMax: number;
  /** How many resources of a kind an owner may hold at once. */
  resourceCountLimit: Record<PlanKind, number>;
  dedicatedBackends: boolean;
}

export function postgresLimits(plan: Plan): PostgresLimits {
  return { storageMb: plan.postgresStorageMb, connections: plan.postgresConnections };
}

export function vectorLimits(plan: Plan): PostgresLimits {
  return { storageMb: plan.vectorStorageMb, connections: plan.vectorConnections };
}

/** The storage a resource of this kind may hold, in MB. A webhook inbox holds so many requests of at most 1 MiB each. */
export function storageLimitMb(plan: Plan, kind: PlanKind): number {
  switch (kind) {
    case 'postgres':
      return plan.postgresStorageMb;
    case 'vector':
      return plan.vectorStorageMb;
    case 'redis':
      return plan.redisMemoryMb;
    case 'mongodb':
      return plan.mongodbStorageMb;
    case 'queue':
      return plan.queueStorageMb;
    case 'storage':
      return plan.storageStorageMb;
    case 'webhook':
      return plan.webhookRequestsStored;
  }
}

/** Connections at once; -1 where the kind has no such limit. */
export function connectionsLimit(plan: Plan, kind: PlanKind): number {
  switch (kind) {
    case 'postgres':
      return plan.postgresConnections;
    case 'vector':
      return plan.vectorConnections;
    case 'mongodb':
      return plan.mongodbConnections;
    case 'queue':
      return plan.queueConnections;
    case 'redis':
    case 'storage':
    case 'webhook':
      return -1;
  }
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Beyond this a duration added to now would leave the range of Date. */
const LONGEST_DURATION_MS = 36_500 * DAY_MS;
const UNIT_MS: Readonly<Record<string, number>> = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** Reads `90m`, `24h`, `40s`, `7d`; null for anything else, and for more than a hundred years. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,12})([smhd])$/.exec(text);
  if (!match) return null;
  const unitMs = UNIT_MS[match[2] ?? ''];
  if (unitMs === undefined) return null;
  const ms = Number(match[1]) * unitMs;
  return ms <= LONGEST_DURATION_MS ? ms : null;
}

/** One unit, the largest that says it exactly (`6h`, `90m`, `45s`); days from a week on, so that a day is `24h`. `parseDurationMs` reads it back. */
export function rungLabel(ms: number): string {
  const wholeMs = Math.max(0, Math.floor(ms / SECOND_MS) * SECOND_MS);
  if (wholeMs >= 7 * DAY_MS && wholeMs % DAY_MS === 0) return `${wholeMs / DAY_MS}d`;
  if (wholeMs >= HOUR_MS && wholeMs % HOUR_MS === 0) return `${wholeMs / HOUR_MS}h`;
  if (wholeMs >= MINUTE_MS && wholeMs % MINUTE_MS === 0) return `${wholeMs / MINUTE_MS}m`;
  return `${wholeMs / SECOND_MS}s`;
}

/** For people: the two largest units (`24h`, `1h 30m`, `8d 3h`, `59s`); smaller ones are dropped. */
export function formatDuration(ms: number): string {
  let restMs = Math.max(0, ms);
  const parts: string[] = [];
  const units: [string, number][] =
    restMs >= 7 * DAY_MS
      ? [
          ['d', DAY_MS],
          ['h', HOUR_MS],
        ]
      : restMs >= HOUR_MS
        ? [
            ['h', HOUR_MS],
            ['m', MINUTE_MS],
          ]
        : [
            ['m', MINUTE_MS],
            ['s', SECOND_MS],
          ];
  for (const [suffix, unitMs] of units) {
    const count = Math.floor(restMs / unitMs);
    restMs -= count * unitMs;
    if (count > 0) parts.push(`${count}${suffix}`);
  }
  return parts.join(' ') || '0s';
}
