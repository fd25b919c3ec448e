// What each command does to a resource, decided without I/O: refuse it, or name the backend's effects and the row's change.

import type { ResourceEventDraft } from '../../activities/platform/types';
import type { ErrorCode, ErrorDetails } from '../../shared/errors';
import { isLive, nextStatus, type StatusEvent } from '../../shared/resourcestatus';
import type { ActorRef, ResourceLimits, ResourceRow } from '../../shared/resourcetype';
import { arm } from './ladder';
import type { Command } from './messages';

/** What the backend must do before the row may say so. */
export type Effect =
  | { type: 'cut' }
  | { type: 'restore' }
  | { type: 'rotate'; version: number; previousVersion: number }
  | { type: 'retire'; version: number }
  | { type: 'applyLimits' }
  /** `fewTries`: given up soon, as the one after it. */
  | { type: 'setReadOnly'; readOnly: boolean; fewTries?: boolean }
  | { type: 'copyToIsolated'; targetName: string }
  /** What is on the other backend goes; the verb is the one of every deletion. Given up soon: commands wait for it, and it comes again. */
  | { type: 'removeFrom'; backendName: string };

export type Decision =
  | { type: 'refuse'; code: ErrorCode; message: string; details: ErrorDetails }
  /** Already so: success without an event. */
  | { type: 'nothing' }
  /** From a server without credentials to an account of its own: steps that are known only when they are taken. */
  | { type: 'isolate' }
  | { type: 'apply'; effects: Effect[]; patch: Partial<ResourceRow>; statusEvent: StatusEvent | null; event: ResourceEventDraft };

export interface CommandContext {
  row: ResourceRow;
  actor: ActorRef;
  nowMs: number;
}

function refuse(code: ErrorCode, message: string, details: ErrorDetails = {}): Decision {
  return { type: 'refuse', code, message, details };
}

function apply(effects: Effect[], patch: Partial<ResourceRow>, statusEvent: StatusEvent | null, event: ResourceEventDraft): Decision {
  return { type: 'apply', effects, patch, statusEvent, event };
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Expired or going: no command but extend (in grace) and delete has a meaning. */
function inactive(row: ResourceRow): Decision {
  return refuse('resource_inactive', `The resource is ${row.status}.`, { status: row.status });
}

function suspended(row: ResourceRow): Decision {
  return refuse('resource_suspended', 'The resource is suspended by the platform; only the platform can lift that.', {
    reason: row.suspendedReason,
  });
}

/** Suspension is not the tenant's to work around. */
function blockedBySuspension(context: CommandContext): boolean {
  return context.row.suspendedReason !== null && context.actor.type !== 'operator' && context.actor.type !== 'system';
}

export function decide(context: CommandContext, command: Command): Decision {
  const { row } = context;
  if (row.status === 'expired' && command.type !== 'extend' && command.type !== 'update') return inactive(row);
  if (row.status !== 'expired' && !isLive(row.status)) return inactive(row);
  switch (command.type) {
    case 'extend':
      return decideExtend(context, command.ttlMs);
    case 'pause':
      if (row.suspendedReason !== null) return suspended(row);
      if (row.pausedByOwner) return refuse('already_paused', 'The resource is paused already.');
      return apply([{ type: 'cut' }], { pausedByOwner: true }, 'paused', { type: 'resource.paused', data: {} });
    case 'resume':
      if (row.suspendedReason !== null) return command.liftSuspension ? decideUnsuspend(row) : suspended(row);
      if (!row.pausedByOwner) return refuse('not_paused', 'The resource is not paused.');
      return apply([{ type: 'restore' }], { pausedByOwner: false }, 'resumed', { type: 'resource.resumed', data: {} });
    case 'suspend':
      if (row.suspendedReason !== null)
        return refuse('already_suspended', 'The resource is suspended already.', { reason: row.suspendedReason });
      return decideSuspend(command.reason);
    case 'unsuspend':
      if (row.suspendedReason === null) return refuse('not_suspended', 'The resource is not suspended.');
      return decideUnsuspend(row);
    case 'rotate':
      if (blockedBySuspension(context)) return suspended(row);
      return decideRotate(context);
    case 'isolate':
      return { type: 'isolate' };
    case 'claim':
      return decideClaim(context, command);
    case 'update':
      return decideUpdate(command);
    case 'scale':
      return apply([{ type: 'applyLimits' }], { limits: command.limits, policy: command.policy ?? row.policy }, null, {
        type: 'resource.scaled',
        data: { storage_mb: command.limits.storageMb ?? null, connections: command.limits.connections ?? null },
      });
    case 'storage':
      return decideStorage(row, command.action, command.bytes);
  }
}

function decideExtend(context: CommandContext, ttlMs: number): Decision {
  const { row, nowMs } = context;
  if (blockedBySuspension(context)) return suspended(row);
  if (row.expiresAtMs === null) return refuse('no_expiry', 'The resource never expires; there is nothing to extend.');
  if (!Number.isSafeInteger(ttlMs) || ttlMs <= 0) {
    return refuse('invalid_ttl', 'ttl must be a duration such as "90m" or "2h".', { field: 'ttl' });
  }
  if (ttlMs < row.policy.minimumTtlMs) {
    return refuse('ttl_too_short', `ttl must be at least ${row.policy.minimumTtlMs / 1000} s.`, { field: 'ttl' });
  }
  const inGrace = row.status === 'expired';
  const expiresAtMs = (inGrace ? nowMs : row.expiresAtMs) + ttlMs;
  const latestMs = row.policy.maxTtlMs === null ? null : row.createdAtMs + row.policy.maxTtlMs;
  if (latestMs !== null && expiresAtMs > latestMs) {
    return refuse(
      'ttl_too_long',
      `The ${row.policy.tier} plan lets this resource live until ${iso(latestMs)} at the latest; nothing was changed.`,
      {
        field: 'ttl',
        latest_expires_at: iso(latestMs),
      },
    );
  }
  const cutAnyway = row.suspendedReason !== null || row.pausedByOwner;
  return apply(inGrace && !cutAnyway ? [{ type: 'restore' }] : [], { ...arm(expiresAtMs, nowMs) }, inGrace ? 'extended_in_grace' : null, {
    type: 'resource.extended',
    data: { expires_at: iso(expiresAtMs), previous_expires_at: iso(row.expiresAtMs) },
  });
}

function decideSuspend(reason: string): Decision {
  return apply([{ type: 'cut' }], { suspendedReason: reason }, 'suspended', { type: 'resource.suspended', data: { reason } });
}

function decideUnsuspend(row: ResourceRow): Decision {
  return apply(row.pausedByOwner ? [] : [{ type: 'restore' }], { suspendedReason: null }, 'unsuspended', {
    type: 'resource.unsuspended',
    data: { reason: row.suspendedReason },
  });
}

/** Two versions at most: one that is still in its grace ends before the next is made. */
function decideRotate({ row, nowMs }: CommandContext): Decision {
  const version = row.credentialVersion + 1;
  const untilMs = nowMs + row.policy.rotationGraceMs;
  const retireFirst: Effect[] = row.retiring === null ? [] : [{ type: 'retire', version: row.retiring.version }];
  return apply(
    [...retireFirst, { type: 'rotate', version, previousVersion: row.credentialVersion }],
    { credentialVersion: version, retiring: { version: row.credentialVersion, untilMs } },
    null,
    { type: 'resource.credentials_rotated', data: { version, previous_valid_until: iso(untilMs) } },
  );
}

function decideClaim({ row, nowMs }: CommandContext, command: Extract<Command, { type: 'claim' }>): Decision {
  if (row.owner.type === 'team') return refuse('already_claimed', 'The resource belongs to a team already.');
  // A larger plan is the remedy of what the quota suspended; whatever else was suspended is not to be given a longer life.
  if (row.suspendedReason !== null && row.suspendedReason !== 'quota') return suspended(row);
  // The new lease begins now, and takes nothing of a longer one away.
  const expiresAtMs = command.ttlMs === null ? null : Math.max(nowMs + command.ttlMs, row.expiresAtMs ?? 0);
  return apply(
    sameLimits(row.limits, command.limits) ? [] : [{ type: 'applyLimits' }],
    { owner: { type: 'team', teamId: command.teamId }, policy: command.policy, limits: command.limits, ...arm(expiresAtMs, nowMs) },
    null,
    {
      type: 'resource.claimed',
      data: { team_id: command.teamId, tier: command.policy.tier, expires_at: iso(expiresAtMs) },
    },
  );
}

function sameLimits(a: ResourceLimits, b: ResourceLimits): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof ResourceLimits>;
  return [...names].every((name) => a[name] === b[name]);
}

function decideUpdate(command: Extract<Command, { type: 'update' }>): Decision {
  const patch: Partial<ResourceRow> = {};
  if (command.name !== undefined) patch.name = command.name;
  if (command.labels !== undefined) patch.labels = command.labels;
  return apply([], patch, null, {
    type: 'resource.updated',
    data: { name: command.name ?? null, labels_changed: command.labels !== undefined },
  });
}

function decideStorage(row: ResourceRow, action: Extract<Command, { type: 'storage' }>['action'], bytes: number): Decision {
  const exceeded = (taken: 'read_only' | 'suspend'): ResourceEventDraft => ({
    type: 'resource.storage_exceeded',
    data: { storage_bytes: bytes, storage_limit_mb: row.limits.storageMb ?? null, action: taken },
  });
  switch (action) {
    case 'read_only':
      if (row.readOnlyByQuota) return { type: 'nothing' };
      return apply([{ type: 'setReadOnly', readOnly: true }], { readOnlyByQuota: true }, null, exceeded(action));
    case 'suspend':
      if (row.suspendedReason !== null) return { type: 'nothing' };
      return apply([{ type: 'cut' }], { suspendedReason: 'quota' }, 'suspended', exceeded(action));
    case 'lift': {
      const lifts = row.suspendedReason === 'quota';
      if (!lifts && !row.readOnlyByQuota) return { type: 'nothing' };
      const effects: Effect[] = row.readOnlyByQuota ? [{ type: 'setReadOnly', readOnly: false }] : [];
      if (lifts && !row.pausedByOwner) effects.push({ type: 'restore' });
      return apply(effects, { readOnlyByQuota: false, suspendedReason: lifts ? null : row.suspendedReason }, lifts ? 'unsuspended' : null, {
        type: 'resource.storage_recovered',
        data: { storage_bytes: bytes },
      });
    }
  }
}

/** The row after a change: status by the table, revision raised. Throws when the table does not allow the event. */
export function patched(row: ResourceRow, patch: Partial<ResourceRow>, statusEvent: StatusEvent | null): ResourceRow {
  const next: ResourceRow = { ...row, ...patch, revision: row.revision + 1 };
  if (statusEvent === null) return next;
  const status = nextStatus(row.status, statusEvent, next);
  if (status === null) throw new Error(`${statusEvent} is not allowed in status ${row.status}`);
  return { ...next, status };
}
