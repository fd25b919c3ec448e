// The registry of checks and the report over them.
import { register as defaultMetrics, Gauge, type Registry } from 'prom-client';
import { buildInfo } from '../buildinfo';
import { sanitizeText } from '../sanitize';

export type CheckStatus = 'ok' | 'degraded' | 'failed';

export interface CheckOutcome {
  /** Default ok. Failing is throwing. */
  status?: 'ok' | 'degraded';
  detail?: Record<string, unknown>;
}

/** The signal aborts at the timeout: a check that heeds it leaves no socket behind. */
export type CheckFunction = (signal: AbortSignal) => Promise<CheckOutcome> | Promise<void>;

export interface CheckDefinition {
  name: string;
  /** Whether this process is of no use without it: only then does its failing answer 503. */
  critical: boolean;
  check: CheckFunction;
  /** Default 2000. */
  timeoutMs?: number;
  /** How long an answer is good for. Default 10000. */
  cacheMs?: number;
}

/** One check of `/readyz`, in wire names. */
export interface CheckReport {
  name: string;
  critical: boolean;
  status: CheckStatus;
  latency_ms: number;
  last_check_at: string;
  /** Of the last run; null when that was not a failure. */
  last_error: string | null;
  detail?: Record<string, unknown>;
}

/** The body of `/readyz`. */
export interface ReadinessReport {
  overall: CheckStatus;
  service: string;
  commit_id: string;
  /** Of the oldest of the checks: answers are kept for some seconds. */
  checked_at: string;
  checks: CheckReport[];
}

export interface ReadinessLogger {
  info(message: string, meta: Record<string, unknown>): void;
  warn(message: string, meta: Record<string, unknown>): void;
}

export interface ReadinessRegistryOptions {
  service: string;
  logger?: ReadinessLogger;
  /** Default the process-wide registry of prom-client. */
  metrics?: Registry;
}

const DEFAULT_TIMEOUT_MS = 2_000;
const DEFAULT_CACHE_MS = 10_000;
const GAUGE_VALUES: Readonly<Record<CheckStatus, number>> = { failed: 0, degraded: 0.5, ok: 1 };

interface Entry {
  definition: CheckDefinition;
  latest?: CheckReport;
  /** On the monotonic clock, so that a clock that is set cannot freeze an answer. */
  freshUntilMs: number;
  running?: Promise<CheckReport>;
}

function gauge(metrics: Registry, name: string, help: string): Gauge<'name'> {
  const existing = metrics.getSingleMetric(name);
  return existing instanceof Gauge ? existing : new Gauge({ name, help, labelNames: ['name'], registers: [metrics] });
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A connection tried on several addresses fails with an AggregateError that has no message of its own.
  if (error.message === '' && error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  // fetch says only "fetch failed"; the reason is its cause.
  const cause = error.cause instanceof Error ? messageOf(error.cause) : '';
  return cause === '' ? error.message || error.name : `${error.message}: ${cause}`;
}

async function withTimeout(check: CheckFunction, timeoutMs: number): Promise<CheckOutcome> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      // The rejection comes first, or a check that heeds the signal would win with a vaguer reason.
      reject(new Error(`no answer within ${timeoutMs} ms`));
      controller.abort();
    }, timeoutMs);
  });
  try {
    const answer = (async () => check(controller.signal))();
    return (await Promise.race([answer, timedOut])) ?? {};
  } finally {
    clearTimeout(timer);
  }
}

export class ReadinessRegistry {
  readonly #service: string;
  readonly #logger: ReadinessLogger | undefined;
  readonly #status: Gauge<'name'>;
  readonly #latency: Gauge<'name'>;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ReadinessRegistryOptions) {
    this.#service = options.service;
    this.#logger = options.logger;
    const metrics = options.metrics ?? defaultMetrics;
    this.#status = gauge(metrics, 'leasehold_readiness_check_status', 'Result of a readiness check: 1 ok, 0.5 degraded, 0 failed');
    this.#latency = gauge(metrics, 'leasehold_readiness_check_latency_seconds', 'How long the last run of a readiness check took');
  }

  /** @throws Error when the name is taken */
  register(definition: CheckDefinition): void {
    if (this.#entries.has(definition.name)) throw new Error(`there is a readiness check "${definition.name}" already`);
    this.#entries.set(definition.name, { definition, freshUntilMs: 0 });
  }

  /** Never rejects. Runs what is older than its cacheMs; callers at the same time share the run. */
  async report(): Promise<ReadinessReport> {
    const checks = await Promise.all([...this.#entries.values()].map((entry) => this.#answer(entry)));
    const overall = checks.some((check) => check.critical && check.status === 'failed')
      ? 'failed'
      : checks.some((check) => check.status !== 'ok')
        ? 'degraded'
        : 'ok';
    const [checkedAt = new Date().toISOString()] = checks.map((check) => check.last_check_at).sort();
    return { overall, service: this.#service, commit_id: buildInfo().commitId, checked_at: checkedAt, checks };
  }

  #answer(entry: Entry): Promise<CheckReport> {
    if (entry.latest && performance.now() < entry.freshUntilMs) return Promise.resolve(entry.latest);
    entry.running ??= this.#run(entry).finally(() => {
      entry.running = undefined;
    });
    return entry.running;
  }

  async #run(entry: Entry): Promise<CheckReport> {
    const { name, critical, check, timeoutMs = DEFAULT_TIMEOUT_MS, cacheMs = DEFAULT_CACHE_MS } = entry.definition;
    const startedAtMs = performance.now();
    const lastCheckAt = new Date().toISOString();
    let outcome: CheckOutcome = {};
    let lastError: string | null = null;
    try {
      outcome = await withTimeout(check, timeoutMs);
    } catch (error) {
      lastError = sanitizeText(messageOf(error));
    }
    const latencyMs = performance.now() - startedAtMs;
    const report: CheckReport = {
      name,
      critical,
      status: lastError === null ? (outcome.status ?? 'ok') : 'failed',
      latency_ms: Math.round(latencyMs * 10) / 10,
      last_check_at: lastCheckAt,
      last_error: lastError,
      ...(outcome.detail ? { detail: outcome.detail } : {}),
    };
    this.#status.set({ name }, GAUGE_VALUES[report.status]);
    this.#latency.set({ name }, latencyMs / 1000);
    this.#logChange(entry.latest?.status, report);
    entry.latest = report;
    entry.freshUntilMs = performance.now() + cacheMs;
    return report;
  }

  #logChange(before: CheckStatus | undefined, { name, critical, status, last_error }: CheckReport): void {
    if ((before ?? 'ok') === status) return;
    const meta = { check: name, critical, status, before: before ?? null, last_error };
    if (status === 'ok') this.#logger?.info(`${name} is ready again`, meta);
    else this.#logger?.warn(`${name} is ${status}`, meta);
  }
}

/** 503 only when a critical check fails: a degraded process still serves. */
export function httpStatus(report: ReadinessReport): 200 | 503 {
  return report.overall === 'failed' ? 503 : 200;
}
