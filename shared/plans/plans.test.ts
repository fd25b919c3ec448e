import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  formatDuration,
  isConfigured,
  loadBackends,
  loadPlans,
  PLAN_KINDS,
  type Plans,
  parseDurationMs,
  postgresLimits,
  rungLabel,
  vectorLimits,
  watchPlans,
} from './index';

const ROOT = join(__dirname, '../..');
const HOUR_MS = 3_600_000;
const plansText = readFileSync(join(ROOT, 'plans.yaml'), 'utf8');
const plans = loadPlans(join(ROOT, 'plans.yaml'));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plans-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function lineOf(text: string, part: string): number {
  return text.slice(0, text.indexOf(part)).split('\n').length;
}

describe('durations', () => {
  it('reads and writes the examples', () => {
    expect(['90m', '24h', '40s', '7d', '0s'].map(parseDurationMs)).toEqual([5_400_000, 24 * HOUR_MS, 40_000, 168 * HOUR_MS, 0]);
    for (const bad of ['', '90', 'm', '1.5h', '-1h', '+1h', ' 1h', '1 h', '1w', '1H', '1h30m', '99999999999d', '1e3s']) {
      expect(parseDurationMs(bad)).toBeNull();
    }
    expect([6 * HOUR_MS, 45_000, 24 * HOUR_MS, 90 * 60_000, 0, 168 * HOUR_MS].map(rungLabel)).toEqual([
      '6h',
      '45s',
      '24h',
      '90m',
      '0s',
      '7d',
    ]);
    expect([5_400_000, 24 * HOUR_MS, 72 * HOUR_MS, 195 * HOUR_MS, 59_999, 61_000, 0].map(formatDuration)).toEqual([
      '1h 30m',
      '24h',
      '72h',
      '8d 3h',
      '59s',
      '1m 1s',
      '0s',
    ]);
  });

  it('a label reads back as the same time', () => {
    fc.assert(fc.property(fc.nat(1_000_000_000), (seconds) => expect(parseDurationMs(rungLabel(seconds * 1000))).toBe(seconds * 1000)));
  });
});

describe('plans.yaml', () => {
  it('has the plans in rank order', () => {
    expect(plans.all().map((plan) => plan.key)).toEqual(['anonymous', 'free', 'hobby', 'hobby_plus', 'pro', 'growth', 'team']);
    expect(plans.all().map((plan) => plan.rank)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(plans.all().map((plan) => plan.priceMonthlyCents)).toEqual([0, 0, 900, 1900, 4900, 9900, 19900]);
    expect(plans.minimumTtlMs).toBe(10_000);
    expect(plans.pool.postgres?.size).toBe(8);
    expect(plans.quota).toEqual({ readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90, measureIntervalMs: 60_000 });
    expect(plans.sweep).toEqual({ intervalMs: 300_000, orphanMinimumAgeMs: 600_000 });
  });

  it('has the limits of the contract', () => {
    const column = (value: (plan: ReturnType<Plans['byTier']>) => unknown) =>
      ['anonymous', 'free', 'hobby', 'hobby_plus', 'pro', 'growth', 'team'].map((tier) => value(plans.byTier(tier)));
    expect(column((plan) => plan.provisionsPerDay)).toEqual([5, 5, -1, -1, -1, -1, -1]);
    expect(column((plan) => plan.redisCommandsPerDay)).toEqual([1000, 1000, 10000, 10000, 500000, 5000000, 10000000]);
    expect(column((plan) => plan.mongodbOpsPerMinute)).toEqual([100, 100, 1000, 1000, 10000, 50000, 50000]);
    expect(column((plan) => plan.queueCount)).toEqual([1, 1, 3, 5, 20, 50, 100]);
    expect(column((plan) => plan.resourceCountLimit.redis)).toEqual([5, 2, 2, 3, 3, 3, 4]);
    expect(column((plan) => plan.resourceCountLimit.queue)).toEqual([5, 2, 3, 5, 20, 50, 100]);
    expect(column((plan) => plan.dedicatedBackends)).toEqual([false, false, false, false, false, true, true]);
    expect(postgresLimits(plans.byTier('anonymous'))).toEqual({ storageMb: 10, connections: 2 });
    expect(vectorLimits(plans.byTier('team'))).toEqual({ storageMb: 30720, connections: 100 });
  });

  it('gives yearly variants the limits and rank, and everything unknown the anonymous limits', () => {
    const { key, displayName, ...hobby } = plans.byTier('hobby');
    expect(plans.byTier('hobby_yearly')).toMatchObject(hobby);
    expect(plans.byTier('hobby_yearly').key).toBe('hobby_yearly');
    for (const tier of ['', 'free_yearly', 'enterprise', '__proto__', 'constructor', 'HOBBY']) {
      expect(plans.byTier(tier)).toBe(plans.byTier('anonymous'));
    }
  });

  it('has the usual figures where a plan leaves them out, and the plan’s own where not', () => {
    const usual = {
      ...{ postgresTempFileMb: 256, postgresStatementTimeoutMs: 60_000, vectorTempFileMb: 256, vectorStatementTimeoutMs: 60_000 },
      ...{ queueConnections: 25, queueStreams: 10, queueConsumersPerStream: 20, queueMessageKb: 1024 },
      ...{ webhookRingMb: null, webhookBodyKb: 1024, webhookMbPerMinute: 64 },
    };
    for (const plan of plans.all()) expect(plan).toMatchObject(usual);
    const figures = `
    postgres_temp_file_mb: 1024
    postgres_statement_timeout: 5m
    vector_temp_file_mb: 2048
    vector_statement_timeout: 10m
    queue_connections: 100
    queue_streams: 50
    queue_consumers_per_stream: 40
    queue_message_kb: 8192
    webhook_ring_mb: 512
    webhook_body_kb: 256
    webhook_mb_per_minute: 128
`;
    const text = plansText.replace('    display_name: Pro\n', `    display_name: Pro${figures}`);
    const own = loadPlans(write('plans.yaml', text));
    expect(own.byTier('hobby')).toMatchObject(usual);
    expect(own.byTier('pro_yearly')).toMatchObject({
      ...{ postgresTempFileMb: 1024, postgresStatementTimeoutMs: 300_000, vectorTempFileMb: 2048, vectorStatementTimeoutMs: 600_000 },
      ...{ queueConnections: 100, queueStreams: 50, queueConsumersPerStream: 40, queueMessageKb: 8192 },
      ...{ webhookRingMb: 512, webhookBodyKb: 256, webhookMbPerMinute: 128 },
    });
    for (const [line, reason] of [
      ['queue_streams: 0', /plans\.pro\.queue_streams: /],
      ['queue_message_kb: 65537', /plans\.pro\.queue_message_kb: /],
      ['webhook_body_kb: 2048', /plans\.pro\.webhook_body_kb: /],
      ['webhook_ring_mb: 1', /plans\.pro\.webhook_ring_mb: /],
      ['postgres_temp_file_mb: -1', /plans\.pro\.postgres_temp_file_mb: /],
      ['vector_statement_timeout: 0s', /vector_statement_timeout: must be longer than 0s/],
      ['vector_statement_timeout: 8d', /vector_statement_timeout: must not be longer than 7d/],
    ] as const) {
      const broken = plansText.replace('    display_name: Pro\n', `    display_name: Pro\n    ${line}\n`);
      expect(() => loadPlans(write('plans.yaml', broken))).toThrow(reason);
    }
  });

  it('gives a workflow its policy', () => {
    const anonymous = {
      tier: 'anonymous',
      ttlMs: 24 * HOUR_MS,
      maxTtlMs: 72 * HOUR_MS,
      minimumTtlMs: 10_000,
      rungsMs: [6 * HOUR_MS, 2 * HOUR_MS, HOUR_MS],
      graceMs: 0,
      rotationGraceMs: HOUR_MS,
      fairnessWeight: 1,
    };
    expect(plans.policyFor('anonymous')).toEqual(anonymous);
    expect(plans.policyFor('what')).toEqual(anonymous);
    expect(plans.policyFor('free')).toEqual({ ...anonymous, tier: 'free', graceMs: 24 * HOUR_MS });
    expect(plans.policyFor('team')).toMatchObject({ ttlMs: null, maxTtlMs: null, graceMs: 72 * HOUR_MS, fairnessWeight: 10 });
  });

  it('says its capabilities', () => {
    const rows = plans.capabilities('https://example.test/pricing');
    expect(rows.map((row) => row.tier)).toEqual(plans.all().map((plan) => plan.key));
    expect(rows[0]).toEqual({
      tier: 'anonymous',
      display_name: 'Anonymous',
      price_usd_monthly: 0,
      paid_from_day_one: false,
      storage_limit_mb: { postgres: 10, redis: 5, mongodb: 5, queue: 64, storage: 10, webhook: 100, vector: 10 },
      connections_limit: { postgres: 2, redis: -1, mongodb: 2, queue: 25, storage: -1, webhook: -1, vector: 2 },
      resource_count_limit: Object.fromEntries(PLAN_KINDS.map((kind) => [kind, 5])),
      deployments_apps: 0,
      backup_retention_days: 0,
      backup_restore_enabled: false,
      manual_backups_per_day: 0,
      rpo_minutes: 0,
      rto_minutes: 0,
      annual_discount_percent: 0,
      upgrade_url: 'https://example.test/pricing',
      is_terminal_tier: false,
      ttl_seconds: 86_400,
      expiry_warnings: ['6h', '2h', '1h'],
      grace_seconds: 0,
    });
    expect(rows.at(-1)).toMatchObject({
      price_usd_monthly: 199,
      paid_from_day_one: true,
      upgrade_url: '',
      is_terminal_tier: true,
      ttl_seconds: null,
    });
  });
});

describe('a broken plans.yaml', () => {
  const broken: [why: string, find: string, replace: string, path: string, reason: RegExp][] = [
    ['an unknown key', '  pro:\n', '  pro:\n    colour: red\n', 'plans.pro.colour', /unknown key/],
    ['a wrong type', '    postgres_storage_mb: 51200', '    postgres_storage_mb: much', 'plans.team.postgres_storage_mb', /number/],
    ['a fraction', '    postgres_storage_mb: 51200', '    postgres_storage_mb: 1.5', 'plans.team.postgres_storage_mb', /int/],
    ['a missing key', '    vault_max_entries: 1000\n', '', 'plans.team.vault_max_entries', /number/],
    ['a missing anonymous', '  anonymous:\n', '  nameless:\n', 'plans.anonymous', /is missing/],
    ['a bad duration', 'minimum_ttl: 10s', 'minimum_ttl: soon', 'minimum_ttl', /"soon" is no duration/],
    ['a cap below the ttl', '    max_ttl: 72h', '    max_ttl: 1h', 'plans.anonymous.max_ttl', /shorter/],
    ['the same rung twice', '    rungs: [6h, 2h, 1h]', '    rungs: [6h, 6h]', 'plans.anonymous.rungs', /twice/],
    ['quota marks that cross', '  lift_below_percent: 90', '  lift_below_percent: 101', 'quota.lift_below_percent', /above/],
    ['a suspension before read-only', '  suspend_at_percent: 120', '  suspend_at_percent: 99', 'quota.suspend_at_percent', /below/],
    [
      'a count of an unknown kind',
      'queue: 100, webhook: 5',
      'queue: 100, webhook: 5, disk: 1',
      'plans.team.resource_count_limit.disk',
      /unknown key/,
    ],
    ['a yearly plan written out', '  pro:\n', '  pro_yearly:\n', 'plans.pro_yearly', /./],
  ];
  it.each(broken)('%s stops the start with one line', (_why, find, replace, path, reason) => {
    const text = plansText.replace(find, replace);
    expect(text).not.toBe(plansText);
    let message = '';
    try {
      loadPlans(write('plans.yaml', text));
    } catch (error) {
      message = error instanceof Error ? error.message : '';
    }
    expect(message).toMatch(/^plans\.yaml:\d+: \S+: [^\n]+$/);
    expect(message.split(': ')[1]).toBe(path);
    expect(message).toMatch(reason);
    const line = Number(message.split(':')[1]);
    expect(line).toBeGreaterThan(0);
    if (replace.trim() && path !== 'plans.anonymous') {
      const changed = replace.trim().split('\n').at(-1) ?? '';
      expect(line).toBe(lineOf(text, changed));
    }
  });

  it('a fault of the YAML itself has its line too', () => {
    expect(() => loadPlans(write('plans.yaml', 'minimum_ttl: 10s\nplans: [\n'))).toThrow(/^plans\.yaml:\d+: \(file\): [^\n]+$/);
    expect(() => loadPlans(write('plans.yaml', 'minimum_ttl: 10s\nminimum_ttl: 10s\n'))).toThrow(/^plans\.yaml:2: \(file\): /);
    expect(() => loadPlans(write('plans.yaml', ''))).toThrow('plans.yaml:1: (file): must be a mapping');
  });
});

describe('watchPlans', () => {
  it('takes a whole change, and keeps the plans of before when the new file is broken', async () => {
    const path = write('plans.yaml', plansText);
    const changes: Plans[] = [];
    const errors: string[] = [];
    const watch = watchPlans(path, (next) => changes.push(next), { onError: (error) => errors.push(error.message), intervalMs: 5 });
    const until = async (done: () => boolean) => {
      while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    try {
      writeFileSync(path, plansText.replace('price_monthly_cents: 900', 'price_monthly_cents: cheap'));
      await until(() => errors.length === 1);
      expect(errors[0]).toMatch(/^plans\.yaml:\d+: plans\.hobby\.price_monthly_cents: /);
      expect(watch.current().byTier('hobby').priceMonthlyCents).toBe(900);
      writeFileSync(path, plansText.replace('price_monthly_cents: 900', 'price_monthly_cents: 1000'));
      await until(() => changes.length === 1);
      expect(watch.current()).toBe(changes[0]);
      expect(watch.current().byTier('hobby').priceMonthlyCents).toBe(1000);
      rmSync(path);
      await until(() => errors.length > 1);
      expect(watch.current()).toBe(changes[0]);
    } finally {
      watch.stop();
    }
  });
});

describe('backends.yaml', () => {
  it('names the tenants’ server', () => {
    expect(loadBackends(join(ROOT, 'backends.yaml')).backends).toContainEqual({
      name: 'postgres-tenants',
      kind: 'postgres',
      region: 'local',
      capacity: 2000,
      weight: 1,
      drained: false,
      host: null,
      engine: null,
      optional: false,
      publicUrl: null,
      options: {},
      adminUrlEnv: 'LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL',
    });
  });

  it('reads hosts, and refuses ports and references that cannot be', () => {
    const host = (ports: string) => `hosts:\n  - { name: host-a, region: r, address: 127.0.0.1, ports: "${ports}" }\n`;
    const backend = (more: string) => `backends:\n  - { name: a, kind: redis, region: r, capacity: 1, weight: 1, ${more} }\n`;
    const load = (text: string) => loadBackends(write('backends.yaml', text));
    expect(load(host('42000-42999') + backend('host: host-a'))).toMatchObject({
      hosts: [{ name: 'host-a', firstPort: 42_000, lastPort: 42_999, drained: false }],
      backends: [{ host: 'host-a', adminUrlEnv: null }],
    });
    for (const ports of ['42999-42000', '80-90', '42000', '60000-70000'])
      expect(() => load(host(ports) + backend('host: host-a'))).toThrow(/^backends\.yaml:2: hosts\.0\.ports: /);
    expect(() => load(backend('host: host-b'))).toThrow('there is no host host-b');
    expect(() => load(backend('engine: nats, admin_url_env: A'))).toThrow('engine: is for kind queue');
    expect(() => load(host('42000-42999') + backend('host: host-a, optional: true'))).toThrow('optional: goes together with admin_url_env');
    expect(() => load(backend('weight2: 1'))).toThrow('unknown key');
    expect(() => load(host('42000-42999') + backend('host: host-a, admin_url_env: A'))).toThrow('give either host or admin_url_env');
  });

  it('an optional backend is there when its variable is set; any other is in any case', () => {
    const text = (more: string) => `backends:\n  - { name: a, kind: redis, region: r, capacity: 1, weight: 1, admin_url_env: A${more} }\n`;
    const isThere = (more: string, variables: string[]) =>
      loadBackends(write('backends.yaml', text(more))).backends.map((config) => isConfigured(config, (name) => variables.includes(name)));
    expect(isThere(', optional: true', [])).toEqual([false]);
    expect(isThere(', optional: true', ['A'])).toEqual([true]);
    expect(isThere(', optional: false', [])).toEqual([true]);
    expect(isThere('', [])).toEqual([true]);
  });

  it('refuses a url, an unknown key, a kind it does not know and a name twice', () => {
    const entry = (more: string) => `  - { name: a, kind: postgres, region: r, capacity: 1, weight: 1, ${more} }\n`;
    const message = (text: string) => () => loadBackends(write('backends.yaml', `backends:\n${text}`));
    expect(message(entry('admin_url_env: "postgres://u:p@h/d"'))).toThrow(/^backends\.yaml:2: backends\.0\.admin_url_env: .*not a url$/);
    expect(message(entry('admin_url_env: A, colour: red'))).toThrow('backends.yaml:2: backends.0.colour: unknown key');
    expect(message(entry('admin_url_env: A, isolation: none'))).toThrow(/^backends\.yaml:2: backends\.0\.isolation: /);
    expect(message(entry('admin_url_env: A') + entry('admin_url_env: B'))).toThrow('backends.yaml:3: backends.1.name: is there twice');
    expect(message(entry('admin_url_env: A, isolation: weak_allowed'))()).toMatchObject({ backends: [{ isolation: 'weak_allowed' }] });
  });
});
