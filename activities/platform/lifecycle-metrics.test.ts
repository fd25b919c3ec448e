import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createTransitionMetrics, dueAtMs } from './lifecycle-metrics';
import type { TransitionRequest } from './types';

const HOUR_MS = 3_600_000;
const expiresAtMs = 100 * HOUR_MS;
const policy = { rungsMs: [6 * HOUR_MS, 2 * HOUR_MS, HOUR_MS], graceMs: 24 * HOUR_MS };

function written(type: string, data: Record<string, string>, atMs: number, changes: object = {}): TransitionRequest {
  const row = { kind: 'postgres', policy, expiresAtMs, createdAtMs: 76 * HOUR_MS, ...changes };
  return { row, event: { type, data }, atMs } as unknown as TransitionRequest;
}

describe('when something was due', () => {
  it.each([
    ['resource.expiring', { rung: '6h' }, 94 * HOUR_MS],
    ['resource.expiring', { rung: '1h' }, 99 * HOUR_MS],
    ['resource.expiring', { rung: '9h' }, null],
    ['resource.expired', {}, expiresAtMs],
    ['resource.deleted', { reason: 'expired' }, 124 * HOUR_MS],
    ['resource.deleted', { reason: 'requested' }, null],
    ['resource.paused', {}, null],
  ])('%s %j', (type, data, due) => {
    expect(dueAtMs(written(type, data as Record<string, string>, 0))).toBe(due);
  });

  it('is never, for what does not expire', () => {
    expect(dueAtMs(written('resource.deleted', { reason: 'expired' }, 0, { expiresAtMs: null }))).toBeNull();
  });
});

it('counts transitions, and measures provisioning and lateness in seconds', async () => {
  const registry = new Registry();
  const count = createTransitionMetrics(registry);
  count(written('resource.active', {}, 76 * HOUR_MS + 1_500));
  count(written('resource.expiring', { rung: '2h' }, 98 * HOUR_MS + 3_000));
  count(written('resource.deleted', { reason: 'expired' }, 124 * HOUR_MS + 500));
  count(written('resource.deleted', { reason: 'requested' }, 80 * HOUR_MS));
  const text = await registry.metrics();
  expect(text).toContain('leasehold_resource_transitions_total{kind="postgres",event="resource.deleted"} 2');
  expect(text).toContain('leasehold_resource_provision_seconds_sum{kind="postgres"} 1.5');
  expect(text).toContain('leasehold_resource_warning_lateness_seconds_sum{kind="postgres",rung="2h"} 3');
  expect(text).toContain('leasehold_resource_deletion_lateness_seconds_sum{kind="postgres"} 0.5');
  expect(text).toContain('leasehold_resource_deletion_lateness_seconds_count{kind="postgres"} 1');
});
