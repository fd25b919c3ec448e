import { describe, expect, it } from '@jest/globals';
import type { ResourceRow } from '../../shared/resourcetype';
import { currentDetails, graceEndMs, nextStepOf, viewOf } from './view';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 4, 1, 12);

function rowWith(changes: Partial<ResourceRow> = {}): ResourceRow {
  return {
    resourceId: 'id',
    kind: 'postgres',
    name: 'orders',
    labels: {},
    owner: { type: 'team', teamId: 't' },
    status: 'active',
    revision: 2,
    generation: 1,
    backendName: 'postgres-tenants',
    objectName: 'lh_x',
    policy: {
      tier: 'pro',
      ttlMs: null,
      maxTtlMs: null,
      minimumTtlMs: 1,
      rungsMs: [6 * HOUR, HOUR],
      graceMs: 2 * HOUR,
      rotationGraceMs: HOUR,
      fairnessWeight: 1,
    },
    limits: {},
    createdAtMs: NOW,
    expiresAtMs: NOW + 24 * HOUR,
    coveredMs: 24 * HOUR,
    pausedByOwner: false,
    suspendedReason: null,
    readOnlyByQuota: false,
    credentialVersion: 1,
    retiring: null,
    fromPool: false,
    ...changes,
  };
}

describe('the next step', () => {
  it.each<[string, Partial<ResourceRow>, string, number | null]>([
    ['the next rung', {}, 'warn 6h', NOW + 18 * HOUR],
    ['the expiry after the last rung', { coveredMs: HOUR }, 'expire', NOW + 24 * HOUR],
    ['a rung that is due', { expiresAtMs: NOW + HOUR, coveredMs: 5 * HOUR }, 'warn', NOW],
    ['an expiry that is due', { expiresAtMs: NOW, coveredMs: HOUR }, 'expire', NOW],
    ['a retirement that comes before', { retiring: { version: 1, untilMs: NOW + HOUR } }, 'retire credentials', NOW + HOUR],
    ['a rung that comes before the retirement', { retiring: { version: 1, untilMs: NOW + 20 * HOUR } }, 'warn 6h', NOW + 18 * HOUR],
    ['nothing without an expiry', { expiresAtMs: null, coveredMs: null }, 'none', null],
    [
      'the retirement alone without an expiry',
      { expiresAtMs: null, coveredMs: null, retiring: { version: 1, untilMs: NOW + 5 } },
      'retire credentials',
      NOW + 5,
    ],
    ['the end of the grace', { status: 'expired', expiresAtMs: NOW - HOUR }, 'delete', NOW + HOUR],
    ['the provision', { status: 'pending' }, 'provision', null],
    ['the deletion', { status: 'deleting' }, 'delete', null],
    ['the deletion again', { status: 'delete_failed' }, 'delete', null],
    ['none after the end', { status: 'deleted' }, 'none', null],
    ['none after a failure', { status: 'failed' }, 'none', null],
  ])('is %s', (_name, changes, label, atMs) => {
    expect(nextStepOf(rowWith(changes), NOW)).toEqual({ label, atMs });
  });

  it('the grace is counted from the expiry', () => {
    expect(graceEndMs(rowWith())).toBe(NOW + 26 * HOUR);
  });
});

describe('the view', () => {
  it('has times as ISO 8601 and nothing that is not there', () => {
    expect(viewOf(rowWith({ retiring: { version: 1, untilMs: NOW } }))).toEqual({
      resourceId: 'id',
      status: 'active',
      revision: 2,
      expiresAt: new Date(NOW + 24 * HOUR).toISOString(),
      previousCredentialValidUntil: new Date(NOW).toISOString(),
      suspendedReason: null,
    });
    expect(viewOf(rowWith({ expiresAtMs: null }))).toMatchObject({ expiresAt: null, previousCredentialValidUntil: null });
  });
});

describe('the details', () => {
  const detailsOf = (changes: Partial<ResourceRow>, lastError: string | null = null) =>
    currentDetails(rowWith(changes), nextStepOf(rowWith(changes), NOW), lastError);

  it('are a table of what an operator asks first', () => {
    expect(detailsOf({})).toBe(
      [
        ['', ''],
        ['---', '---'],
        ['status', 'active'],
        ['owner', 'team t (pro)'],
        ['expires', new Date(NOW + 24 * HOUR).toISOString()],
        ['next', `warn 6h at ${new Date(NOW + 18 * HOUR).toISOString()}`],
        ['backend', 'postgres-tenants / lh_x'],
        ['last error', 'none'],
      ]
        .map(([name, value]) => (name === '' ? '| | |' : name === '---' ? '|---|---|' : `| ${name} | ${value} |`))
        .join('\n'),
    );
  });

  it('say why it is suspended and what it was before it expired', () => {
    expect(detailsOf({ status: 'suspended', suspendedReason: 'abuse' })).toContain('| suspended | abuse |');
    expect(detailsOf({ status: 'expired', pausedByOwner: true })).toContain('expired (was paused)');
  });

  it('stay a table whatever an error says', () => {
    const lines = detailsOf({}, 'a | b\nc').split('\n');
    expect(lines).toHaveLength(8);
    expect(lines.at(-1)).toBe('| last error | a / b c |');
  });
});
