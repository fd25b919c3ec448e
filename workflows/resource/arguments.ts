// Reads what came in by message. An operator's command line can send anything, and a handler that throws a plain error would stop the
// resource for good: whatever does not fit becomes a value that `decide` refuses, or the operator's default.
import { parseDurationMs } from '../../shared/plans/types';
import type { ActorRef } from '../../shared/resourcetype';
import type { Command, DeleteRequest } from './messages';

export const OPERATOR: ActorRef = { type: 'operator', id: 'temporal-signal', role: 'platform_operator' };

const ACTOR_TYPES: readonly string[] = ['anonymous', 'team', 'operator', 'system'];
const ACTOR_DETAILS = ['role', 'userId', 'credential', 'ip'] as const;
const QUOTA_ACTIONS: readonly string[] = ['read_only', 'suspend', 'lift'];

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Who sent it; a message without a whole actor came from an operator's command line. */
export function actorOf(argument: unknown): ActorRef {
  const { type, id, ...rest } = fieldsOf(fieldsOf(argument).actor);
  if (textOf(id) === undefined || !ACTOR_TYPES.includes(textOf(type) ?? '')) return OPERATOR;
  const known = ACTOR_DETAILS.flatMap((name) => (textOf(rest[name]) === undefined ? [] : [[name, rest[name]]]));
  return { type, id, ...Object.fromEntries(known) } as ActorRef;
}

export function requestIdOf(argument: unknown): string | null {
  return textOf(fieldsOf(argument).requestId) ?? null;
}

export function commandIdOf(argument: unknown): string | undefined {
  return textOf(fieldsOf(argument).commandId);
}

/** 0, which no plan allows, for what is no duration. */
export function extendFrom(argument: unknown): Command {
  const ttl = textOf(argument) ?? textOf(fieldsOf(argument).ttl) ?? '';
  return { type: 'extend', ttlMs: parseDurationMs(ttl) ?? 0 };
}

export function suspendFrom(argument: unknown): Command {
  return { type: 'suspend', reason: textOf(argument) ?? textOf(fieldsOf(argument).reason) ?? 'operator' };
}

/** Null for what the meter would never send. */
export function storageFrom(argument: unknown): Command | null {
  const { bytes, action } = fieldsOf(argument);
  if (typeof bytes !== 'number' || !QUOTA_ACTIONS.includes(textOf(action) ?? '')) return null;
  return { type: 'storage', bytes, action } as Command;
}

/** Any delete signal deletes, whatever it carries. */
export function deleteFrom(argument: unknown): DeleteRequest {
  return { actor: actorOf(argument), requestId: requestIdOf(argument), reason: textOf(fieldsOf(argument).reason) ?? 'operator' };
}

/** True where the command has every field that `decide` reads without a check of its own. */
export function isWhole(command: Command): boolean {
  switch (command.type) {
    case 'claim':
      return (
        textOf(command.teamId) !== undefined &&
        isPolicy(command.policy) &&
        isRecord(command.limits) &&
        isMsOrNull(command.ttlMs) &&
        (command.kindCount === undefined || Number.isSafeInteger(command.kindCount))
      );
    case 'scale':
      return isRecord(command.limits) && (command.policy === undefined || isPolicy(command.policy));
    case 'update':
      return (
        (command.name === undefined || textOf(command.name) !== undefined) && (command.labels === undefined || isRecord(command.labels))
      );
    default:
      return true;
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isMsOrNull(value: unknown): boolean {
  return value === null || Number.isSafeInteger(value);
}

function isPolicy(value: unknown): boolean {
  const { tier, rungsMs, graceMs, rotationGraceMs } = fieldsOf(value);
  return textOf(tier) !== undefined && Array.isArray(rungsMs) && Number.isFinite(graceMs) && Number.isFinite(rotationGraceMs);
}
