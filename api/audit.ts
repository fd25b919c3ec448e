// The api's own lines in the audit log: denials, credential reads, and what people and operators do. The rest is written by transitions.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { type ErrorCode, LeaseholdError } from '../shared/errors';
import { actorOf, type Caller, credentialName, type TeamCaller } from './auth/caller';
import type { ApiDeps } from './deps';
import type { RequestContext } from './http/context';
import type { Route } from './http/route';
import type { AuditEntry } from './projection/store';

export interface AuditFact {
  caller: Caller;
  context: RequestContext;
  action: string;
  target: { type: string; id: string; teamId: string | null };
  result: AuditEntry['result'];
  data?: AuditEntry['data'];
}

/** The line as it will stand; its request counts as recorded. */
export function auditEntry(fact: AuditFact): AuditEntry {
  fact.context.audited = true;
  return {
    actor: actorOf(fact.caller),
    action: fact.action,
    targetType: fact.target.type,
    targetId: fact.target.id,
    teamId: fact.target.teamId,
    result: fact.result,
    correlationId: fact.context.requestId,
    ip: fact.caller.address.ip,
    data: fact.data,
  };
}

/** For a store that writes the line in the transaction of what it tells of. */
export function auditStatement({ actor, ...entry }: AuditEntry): pg.QueryConfig {
  return {
    name: 'audit',
    text: `INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, actor_role, actor_user_id, actor_credential, action, target_type,
                                   target_id, team_id, result, correlation_id, ip, data)
           VALUES ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    values: [
      uuidv7(),
      actor.type,
      actor.id,
      actor.role ?? null,
      actor.userId ?? null,
      actor.credential ?? null,
      entry.action,
      entry.targetType,
      entry.targetId,
      entry.teamId,
      entry.result,
      entry.correlationId,
      entry.ip,
      JSON.stringify(entry.data ?? {}),
    ],
  };
}

/** Written before the answer: what cannot be recorded is not handed out. */
export async function audit(deps: Pick<ApiDeps, 'store'>, fact: AuditFact): Promise<void> {
  await deps.store.audit(auditEntry(fact));
}

/** A denial stands whether or not it can be recorded. */
export function auditDenial(deps: Pick<ApiDeps, 'store' | 'logger'>, fact: Omit<AuditFact, 'result'>): void {
  audit(deps, { ...fact, result: 'denied' }).catch((error: unknown) => {
    deps.logger.error('a denial could not be written to the audit log', { action: fact.action, error });
  });
}

/** Somebody used what was taken from them: their former team is told. */
export function auditRevoked(
  deps: Pick<ApiDeps, 'store' | 'logger'>,
  { caller, context }: { caller: TeamCaller; context: RequestContext },
): void {
  const target = { type: 'credential', id: credentialName(caller), teamId: caller.teamId };
  auditDenial(deps, { caller, context, action: 'credential.use', target, data: { reason: 'revoked', route: context.route } });
}

const REFUSALS: ReadonlySet<string> = new Set(['unauthorized', 'forbidden', 'not_found'] satisfies ErrorCode[]);

/**
 * No route can forget it: whoever we know and refuse a change leaves a line. It belongs to no team, for the caller's own must not tell
 * another's id from nobody's.
 */
export async function refusalsOnRecord<T>(
  deps: Pick<ApiDeps, 'store' | 'logger'>,
  request: { route: Pick<Route, 'method' | 'operationId'>; caller: Caller; context: RequestContext },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { route, caller, context } = request;
    const isRefused = error instanceof LeaseholdError && REFUSALS.has(error.code);
    if (isRefused && route.method !== 'get' && caller.type !== 'anonymous' && context.audited !== true) {
      const target = { type: 'route', id: context.route, teamId: null };
      auditDenial(deps, { caller, context, action: route.operationId, target, data: { reason: error.code } });
    }
    throw error;
  }
}
