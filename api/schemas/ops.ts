// Answers of the operating routes and of capabilities.
import { z } from 'zod';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { timestamp } from './provision';

const perKind = z.object(Object.fromEntries(RESOURCE_KINDS.map((kind) => [kind, z.int()])));

const tierSchema = z
  .object({
    tier: z.string(),
    display_name: z.string(),
    price_usd_monthly: z.number(),
    paid_from_day_one: z.boolean(),
    storage_limit_mb: perKind,
    connections_limit: perKind,
    resource_count_limit: perKind,
    deployments_apps: z.int(),
    backup_retention_days: z.int(),
    backup_restore_enabled: z.boolean(),
    manual_backups_per_day: z.int(),
    rpo_minutes: z.int(),
    rto_minutes: z.int(),
    annual_discount_percent: z.number(),
    upgrade_url: z.string(),
    is_terminal_tier: z.boolean(),
    ttl_seconds: z.number().nullable(),
    expiry_warnings: z.array(z.string()),
    grace_seconds: z.number(),
  })
  .meta({ id: 'Tier' });

export const capabilitiesAnswer = z.object({ ok: z.literal(true), tiers: z.array(tierSchema), docs: z.url(), contact: z.string() });
export const livezAnswer = z.object({ alive: z.literal(true) });
export const buildinfoAnswer = z.object({
  ok: z.literal(true),
  service: z.string(),
  commit_id: z.string(),
  build_time: z.string(),
  version: z.string(),
});
export const healthzAnswer = z.object({
  ok: z.literal(true),
  service: z.string(),
  commit_id: z.string(),
  build_time: z.string(),
  version: z.string(),
  migration_version: z.string().nullable(),
  migration_status: z.enum(['current', 'behind', 'ahead', 'unknown']),
  now: timestamp,
  uptime_seconds: z.number(),
});
export const readyzAnswer = z.object({
  overall: z.enum(['ok', 'degraded', 'failed']),
  service: z.string(),
  commit_id: z.string(),
  checked_at: timestamp.meta({ description: 'When the oldest of the checks ran: answers are kept for some seconds.' }),
  checks: z.array(
    z.object({
      name: z.string(),
      critical: z.boolean(),
      status: z.enum(['ok', 'degraded', 'failed']),
      latency_ms: z.number(),
      last_check_at: timestamp,
      last_error: z.string().nullable(),
      detail: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});
