import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isLive, RESOURCE_STATUSES, type StatusEvent, statusFromFacts, TRANSITIONS } from '../../shared/resourcestatus';
import type { ActorRef, ResourceRow } from '../../shared/resourcetype';
import { type CommandContext, type Decision, decide, patched } from './commands';
import type { Command } from './messages';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 4, 1, 12);
const TENANT: ActorRef = { type: 'team', id: 'tenant' };
const OPERATOR: ActorRef = { type: 'operator', id: 'op' };
const QUOTA: ActorRef = { type: 'system', id: 'quota' };

const POLICY: ResourceRow['policy'] = {
  tier: 'anonymous',
  ttlMs: 24 * HOUR,
  maxTtlMs: 72 * HOUR,
  minimumTtlMs: 60_000,
  rungsMs: [6 * HOUR, 2 * HOUR, HOUR],
  graceMs: 12 * HOUR,
  rotationGraceMs: HOUR,
  fairnessWeight: 1,
};

function rowWith(changes: Partial<ResourceRow> = {}): ResourceRow {
  return {
    resourceId: '6f1f2a52-6d8f-4d0e-9a43-0c3f6f1f7c11',
    kind: 'postgres',
    name: 'orders',
    labels: {},
    owner: { type: 'anonymous', fingerprint: 'f', addressHash: 'a' },
    status: 'active',
    revision: 2,
    generation: 1,
    backendName: 'postgres-tenants',
    objectName: 'lh_x',
    policy: POLICY,
    limits: { storageMb: 10 },
    createdAtMs: NOW - HOUR,
    expiresAtMs: NOW + 23 * HOUR,
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

const context = (row: ResourceRow, actor = TENANT, nowMs = NOW): CommandContext => ({ row, actor, nowMs });
const decideFor = (row: Partial<ResourceRow>, command: Command, actor = TENANT) => decide(context(rowWith(row), actor), command);
const EXTEND: Command = { type: 'extend', ttlMs: HOUR };

function codeOf(decision: Decision): string {
  return decision.type === 'refuse' ? decision.code : decision.type;
}

function applied(decision: Decision) {
  if (decision.type !== 'apply') throw new Error(`not applied: ${JSON.stringify(decision)}`);
  return decision;
}

describe('extend', () => {
  it('adds to the expiry and arms the ladder anew', () => {
    expect(applied(decideFor({}, EXTEND))).toMatchObject({
      effects: [],
      statusEvent: null,
      patch: { expiresAtMs: NOW + 24 * HOUR, coveredMs: 24 * HOUR },
      event: {
        data: { expires_at: new Date(NOW + 24 * HOUR).toISOString(), previous_expires_at: new Date(NOW + 23 * HOUR).toISOString() },
      },
    });
  });

  it('in grace counts from now and gives access back, unless something else holds it', () => {
    const expired = { status: 'expired', expiresAtMs: NOW - HOUR } as const;
    expect(applied(decideFor(expired, EXTEND))).toMatchObject({
      effects: [{ type: 'restore' }],
      statusEvent: 'extended_in_grace',
      patch: { expiresAtMs: NOW + HOUR },
    });
    expect(applied(decideFor({ ...expired, pausedByOwner: true }, EXTEND)).effects).toEqual([]);
    expect(applied(decideFor({ ...expired, suspendedReason: 'abuse' }, EXTEND, OPERATOR)).effects).toEqual([]);
    expect(codeOf(decideFor({ ...expired, suspendedReason: 'abuse' }, EXTEND))).toBe('resource_suspended');
  });

  it('reaches the plan’s last moment and not a millisecond more', () => {
    const left = 72 * HOUR - 24 * HOUR;
    expect(decideFor({}, { type: 'extend', ttlMs: left }).type).toBe('apply');
    expect(decideFor({}, { type: 'extend', ttlMs: left + 1 })).toMatchObject({
      code: 'ttl_too_long',
      details: { latest_expires_at: new Date(NOW + 71 * HOUR).toISOString() },
    });
    expect(codeOf(decideFor({}, { type: 'extend', ttlMs: left + 1 }, OPERATOR))).toBe('ttl_too_long');
    expect(decideFor({ policy: { ...POLICY, maxTtlMs: null } }, { type: 'extend', ttlMs: 1000 * HOUR }).type).toBe('apply');
  });

  it('refuses what is no duration, what is too short, and what never expires', () => {
    for (const ttlMs of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, undefined as unknown as number]) {
      expect(codeOf(decideFor({}, { type: 'extend', ttlMs }))).toBe('invalid_ttl');
    }
    expect(codeOf(decideFor({}, { type: 'extend', ttlMs: 59_999 }))).toBe('ttl_too_short');
    expect(codeOf(decideFor({ expiresAtMs: null, coveredMs: null }, EXTEND))).toBe('no_expiry');
  });
});

describe('a suspended resource', () => {
  const suspended = { status: 'suspended', suspendedReason: 'abuse' } as const;
  const tenants: Command[] = [EXTEND, { type: 'pause' }, { type: 'resume', liftSuspension: false }, { type: 'rotate' }];

  it.each(tenants)('refuses $type by its owner', (command) => {
    expect(codeOf(decideFor(suspended, command))).toBe('resource_suspended');
  });

  it('is lifted by the platform, back to what the owner wanted', () => {
    const lift: Command = { type: 'resume', liftSuspension: true };
    expect(applied(decideFor(suspended, lift, OPERATOR))).toMatchObject({ effects: [{ type: 'restore' }], statusEvent: 'unsuspended' });
    const paused = rowWith({ ...suspended, pausedByOwner: true });
    const decision = applied(decide(context(paused, OPERATOR), lift));
    expect(decision.effects).toEqual([]);
    expect(patched(paused, decision.patch, decision.statusEvent).status).toBe('paused');
  });
});

describe('rotate', () => {
  it('keeps one former version for the grace and ends an older one first', () => {
    expect(applied(decideFor({}, { type: 'rotate' }))).toMatchObject({
      effects: [{ type: 'rotate', version: 2, previousVersion: 1 }],
      patch: { credentialVersion: 2, retiring: { version: 1, untilMs: NOW + HOUR } },
    });
    expect(applied(decideFor({ credentialVersion: 5, retiring: { version: 4, untilMs: NOW + 1 } }, { type: 'rotate' })).effects).toEqual([
      { type: 'retire', version: 4 },
      { type: 'rotate', version: 6, previousVersion: 5 },
    ]);
  });
});

describe('the quota', () => {
  const storage = (action: 'read_only' | 'suspend' | 'lift'): Command => ({ type: 'storage', bytes: 11, action });

  it('says nothing twice', () => {
    expect(decideFor({ readOnlyByQuota: true }, storage('read_only'), QUOTA).type).toBe('nothing');
    expect(decideFor({ status: 'suspended', suspendedReason: 'abuse' }, storage('suspend'), QUOTA).type).toBe('nothing');
    expect(decideFor({}, storage('lift'), QUOTA).type).toBe('nothing');
  });

  it('lifts its own suspension only, and gives no access that the owner does not want', () => {
    const full = { status: 'suspended', suspendedReason: 'quota', readOnlyByQuota: true } as const;
    expect(applied(decideFor(full, storage('lift'), QUOTA)).effects).toEqual([
      { type: 'setReadOnly', readOnly: false },
      { type: 'restore' },
    ]);
    expect(applied(decideFor({ ...full, pausedByOwner: true }, storage('lift'), QUOTA)).effects).toEqual([
      { type: 'setReadOnly', readOnly: false },
    ]);
    const abuse = applied(decideFor({ ...full, suspendedReason: 'abuse' }, storage('lift'), QUOTA));
    expect(abuse).toMatchObject({ effects: [{ type: 'setReadOnly' }], statusEvent: null, patch: { suspendedReason: 'abuse' } });
  });
});

describe('claim', () => {
  const claim: Command = { type: 'claim', teamId: 't', policy: { ...POLICY, tier: 'pro' }, limits: {}, ttlMs: null };

  it('happens once', () => {
    expect(applied(decideFor({}, claim)).patch).toMatchObject({ owner: { type: 'team', teamId: 't' }, expiresAtMs: null, coveredMs: null });
    expect(codeOf(decideFor({ owner: { type: 'team', teamId: 'other' } }, claim))).toBe('already_claimed');
  });
});

const anyActor = fc.constantFrom(TENANT, OPERATOR, QUOTA, { type: 'anonymous', id: 'a' } as const);
const anyDuration = fc.oneof(fc.integer({ min: -5, max: 100 * HOUR }), fc.constantFrom(0, Number.NaN, 1.5));
const anyPolicy = fc.record({
  tier: fc.constantFrom('anonymous', 'pro'),
  ttlMs: fc.constantFrom(null, HOUR),
  maxTtlMs: fc.constantFrom(null, HOUR, 1000 * HOUR),
  minimumTtlMs: fc.constantFrom(1, 60_000),
  rungsMs: fc.constant([HOUR]),
  graceMs: fc.constantFrom(0, HOUR),
  rotationGraceMs: fc.constantFrom(0, HOUR),
  fairnessWeight: fc.constant(1),
});
const anyCommand = fc.oneof(
  fc.record({ type: fc.constant('extend' as const), ttlMs: anyDuration }),
  fc.constant<Command>({ type: 'pause' }),
  fc.record({ type: fc.constant('resume' as const), liftSuspension: fc.boolean() }),
  fc.record({ type: fc.constant('suspend' as const), reason: fc.constantFrom('abuse', 'quota', 'billing') }),
  fc.constant<Command>({ type: 'unsuspend' }),
  fc.constant<Command>({ type: 'rotate' }),
  fc.record({
    type: fc.constant('claim' as const),
    teamId: fc.constantFrom('t1', 't2'),
    policy: anyPolicy,
    limits: fc.constant({}),
    ttlMs: fc.constantFrom(null, HOUR),
  }),
  fc.record({ type: fc.constant('update' as const), name: fc.option(fc.string({ minLength: 1 }), { nil: undefined }) }),
  fc.record({
    type: fc.constant('scale' as const),
    limits: fc.constant({ storageMb: 5 }),
    policy: fc.option(anyPolicy, { nil: undefined }),
  }),
  fc.record({ type: fc.constant('storage' as const), bytes: fc.nat(), action: fc.constantFrom('read_only' as const, 'suspend', 'lift') }),
) as fc.Arbitrary<Command>;
/** What the clock does to a resource between two commands. */
const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ command: anyCommand, actor: anyActor, laterMs: fc.nat(HOUR) }) },
  { weight: 1, arbitrary: fc.constant<StatusEvent>('expired') },
);

/** A tenant's commands, as the routes of the api make them. */
const mayTenantSend = (command: Command) =>
  !['suspend', 'unsuspend', 'storage'].includes(command.type) && !(command.type === 'resume' && command.liftSuspension);

function check(before: ResourceRow, decision: Decision, command: Command, actor: ActorRef): ResourceRow {
  if (decision.type !== 'apply') return before;
  const after = patched(before, decision.patch, decision.statusEvent);
  expect(after.revision).toBe(before.revision + 1);
  expect(RESOURCE_STATUSES).toContain(after.status);
  if (decision.statusEvent === null) expect(after.status).toBe(before.status);
  else expect(TRANSITIONS[decision.statusEvent].from).toContain(before.status);
  if (isLive(after.status)) expect(after.status).toBe(statusFromFacts(after));
  // What is fixed for life.
  for (const key of ['resourceId', 'kind', 'objectName', 'backendName', 'generation', 'createdAtMs', 'fromPool'] as const) {
    expect(after[key]).toBe(before[key]);
  }
  expect(after.credentialVersion - before.credentialVersion).toBe(command.type === 'rotate' ? 1 : 0);
  if (after.retiring !== null) expect(after.retiring.version).toBe(after.credentialVersion - 1);
  if (before.suspendedReason !== null && actor.type !== 'operator' && actor.type !== 'system' && mayTenantSend(command)) {
    expect(after.suspendedReason).toBe(before.suspendedReason);
    expect(decision.effects.map((effect) => effect.type)).not.toContain('restore');
    expect(after.expiresAtMs === before.expiresAtMs || command.type === 'claim').toBe(true);
  }
  // Access is given back exactly when nothing holds it any more.
  const open = (row: ResourceRow) => row.status === 'active';
  if (open(after) && !open(before)) expect(decision.effects.map((effect) => effect.type)).toContain('restore');
  if (!open(after) && open(before)) expect(decision.effects.map((effect) => effect.type)).toContain('cut');
  return after;
}

describe('any sequence of commands', () => {
  it('never throws, never leaves the table, raises the revision by one, and lifts no suspension for a tenant', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
        let row = rowWith();
        let nowMs = NOW;
        for (const step of steps) {
          if (typeof step === 'string') {
            if (isLive(row.status)) row = patched(row, {}, step);
            continue;
          }
          nowMs += step.laterMs;
          row = check(row, decide({ row, actor: step.actor, nowMs }, step.command), step.command, step.actor);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never extends past the cap, and changes nothing when it refuses', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 80 * HOUR }), { maxLength: 20 }), (durations) => {
        let row = rowWith();
        for (const ttlMs of durations) {
          const decision = decide(context(row), { type: 'extend', ttlMs });
          if (decision.type === 'apply') row = patched(row, decision.patch, decision.statusEvent);
          expect(row.expiresAtMs).toBeLessThanOrEqual(row.createdAtMs + 72 * HOUR);
          expect(row.expiresAtMs).toBeGreaterThanOrEqual(NOW + 23 * HOUR);
        }
      }),
    );
  });

  it('does nothing to what is expired but to extend and to rename it', () => {
    fc.assert(
      fc.property(anyCommand, anyActor, (command, actor) => {
        const decision = decide(context(rowWith({ status: 'expired', expiresAtMs: NOW }), actor), command);
        if (command.type !== 'extend' && command.type !== 'update') expect(codeOf(decision)).toBe('resource_inactive');
      }),
    );
  });

  it('does nothing to what is gone, going or not there yet', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('pending', 'deleting', 'delete_failed', 'deleted', 'failed'),
        anyCommand,
        anyActor,
        (status, command, actor) => {
          expect(codeOf(decide(context(rowWith({ status: status as ResourceRow['status'] }), actor), command))).toBe('resource_inactive');
        },
      ),
    );
  });

  it('refuses in a code, a message and details, and never by an exception, whatever the row', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RESOURCE_STATUSES),
        fc.boolean(),
        fc.option(fc.constant('abuse')),
        anyCommand,
        anyActor,
        (status, paused, reason, command, actor) => {
          const decision = decide(context(rowWith({ status, pausedByOwner: paused, suspendedReason: reason }), actor), command);
          expect(['refuse', 'nothing', 'apply']).toContain(decision.type);
        },
      ),
    );
  });
});

describe('patched', () => {
  it('throws where the table has no way', () => {
    expect(() => patched(rowWith({ status: 'deleted' }), {}, 'delete_started')).toThrow('delete_started is not allowed in status deleted');
  });
});
