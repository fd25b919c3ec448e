import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isLive, statusFromFacts } from '../../shared/resourcestatus';
import type { ActorRef, ResourceRow } from '../../shared/resourcetype';
import { decide, patched } from './commands';
import type { Command } from './messages';

const HOUR_MS = 3_600_000;
const policy = {
  tier: 'anonymous',
  ttlMs: 24 * HOUR_MS,
  maxTtlMs: 72 * HOUR_MS,
  minimumTtlMs: 10_000,
  rungsMs: [HOUR_MS],
  graceMs: HOUR_MS,
  rotationGraceMs: HOUR_MS,
  fairnessWeight: 1,
};
const row: ResourceRow = {
  resourceId: 'id',
  kind: 'postgres',
  name: 'a',
  labels: {},
  owner: { type: 'anonymous', fingerprint: 'f', addressHash: 'a' },
  status: 'active',
  revision: 2,
  generation: 1,
  backendName: 'b',
  objectName: 'o',
  policy,
  limits: { storageMb: 10, connections: 2 },
  createdAtMs: 0,
  expiresAtMs: 24 * HOUR_MS,
  coveredMs: 24 * HOUR_MS,
  pausedByOwner: false,
  suspendedReason: null,
  readOnlyByQuota: false,
  credentialVersion: 1,
  retiring: null,
  fromPool: false,
};
const tenant: ActorRef = { type: 'anonymous', id: 'tenant' };
const operator: ActorRef = { type: 'operator', id: 'operator' };

const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('extend' as const), ttlMs: fc.oneof(fc.integer(), fc.constant(Number.NaN)) }),
  fc.constant({ type: 'pause' as const }),
  fc.record({ type: fc.constant('resume' as const), liftSuspension: fc.boolean() }),
  fc.record({ type: fc.constant('suspend' as const), reason: fc.string() }),
  fc.constant({ type: 'unsuspend' as const }),
  fc.constant({ type: 'rotate' as const }),
  fc.record({ type: fc.constant('update' as const), name: fc.string() }),
  fc.record({ type: fc.constant('scale' as const), limits: fc.constant({ connections: 5 }) }),
  fc.record({
    type: fc.constant('claim' as const),
    teamId: fc.uuid(),
    policy: fc.constant(policy),
    limits: fc.constant({ connections: 5 }),
    ttlMs: fc.option(fc.integer({ min: 10_000, max: 72 * HOUR_MS })),
  }),
  fc.record({
    type: fc.constant('storage' as const),
    bytes: fc.nat(),
    action: fc.constantFrom('read_only' as const, 'suspend' as const, 'lift' as const),
  }),
);
const anyStep = fc.record({ command: anyCommand, actor: fc.constantFrom(tenant, operator), laterMs: fc.nat(HOUR_MS) });

/** Applies what is decided, one command after the other, as the workflow does. */
function run(steps: { command: Command; actor: ActorRef; laterMs: number }[], visit: (before: ResourceRow, after: ResourceRow) => void) {
  let current = row;
  let nowMs = 0;
  for (const { command, actor, laterMs } of steps) {
    nowMs += laterMs;
    const decision = decide({ row: current, actor, nowMs }, command);
    if (decision.type !== 'apply') continue;
    const next = patched(current, decision.patch, decision.statusEvent);
    visit(current, next);
    current = next;
  }
  return current;
}

describe('decide', () => {
  it('raises the revision by one and keeps the status what the two facts make it, whatever is asked in whatever order', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        run(steps, (before, after) => {
          expect(after.revision).toBe(before.revision + 1);
          expect(isLive(after.status)).toBe(true);
          expect(after.status).toBe(statusFromFacts(after));
        });
      }),
    );
  });

  it('lets no tenant lift or work around a suspension', () => {
    const blocked: Command[] = [
      { type: 'resume', liftSuspension: false },
      { type: 'pause' },
      { type: 'rotate' },
      { type: 'extend', ttlMs: HOUR_MS },
    ];
    for (const command of blocked) {
      const decision = decide({ row: { ...row, status: 'suspended', suspendedReason: 'abuse' }, actor: tenant, nowMs: 0 }, command);
      expect(decision).toMatchObject({ type: 'refuse', code: 'resource_suspended' });
    }
  });

  it('never extends past the cap, and changes nothing when it refuses', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ ttlMs: fc.integer({ min: 1, max: 80 * HOUR_MS }) }), { maxLength: 20 }), (extends_) => {
        const steps = extends_.map(({ ttlMs }) => ({ command: { type: 'extend' as const, ttlMs }, actor: tenant, laterMs: 0 }));
        const last = run(steps, () => undefined);
        expect(last.expiresAtMs).toBeLessThanOrEqual(72 * HOUR_MS);
        expect(last.expiresAtMs).toBeGreaterThanOrEqual(24 * HOUR_MS);
      }),
    );
  });

  it('keeps two credential versions at most: a third retires the oldest first', () => {
    const once = decide({ row, actor: tenant, nowMs: 0 }, { type: 'rotate' });
    expect(once).toMatchObject({ type: 'apply', effects: [{ type: 'rotate', version: 2, previousVersion: 1 }] });
    const rotated: ResourceRow = { ...row, credentialVersion: 2, retiring: { version: 1, untilMs: HOUR_MS } };
    const twice = decide({ row: rotated, actor: tenant, nowMs: 0 }, { type: 'rotate' });
    expect(twice).toMatchObject({
      effects: [
        { type: 'retire', version: 1 },
        { type: 'rotate', version: 3, previousVersion: 2 },
      ],
    });
  });

  it('lifts by quota only what quota did', () => {
    const suspended: ResourceRow = { ...row, status: 'suspended', suspendedReason: 'abuse', readOnlyByQuota: true };
    const decision = decide({ row: suspended, actor: operator, nowMs: 0 }, { type: 'storage', bytes: 1, action: 'lift' });
    expect(decision).toMatchObject({ patch: { suspendedReason: 'abuse', readOnlyByQuota: false }, statusEvent: null });
  });

  it('answers everything but extend, update and delete on what is expired as inactive', () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        const decision = decide({ row: { ...row, status: 'expired' }, actor: operator, nowMs: 24 * HOUR_MS }, command);
        if (command.type === 'extend' || command.type === 'update') return;
        expect(decision).toMatchObject({ type: 'refuse', code: 'resource_inactive' });
      }),
    );
  });
});
