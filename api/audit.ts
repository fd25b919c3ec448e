// The api's own lines in the audit log: denials, credential reads, and what people and operators do. The rest is written by transitions.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { actorOf, type Caller, credentialName, type TeamCaller } from './auth/caller';
import type { ApiDeps } from './deps';
import type { RequestContext } from './http/context';
import type { AuditEntry } from './projection/store';

export interface AuditFact {
  caller: Caller;
  context: RequestContext;
  action: string;
  target: { type: string; id: string; teamId: string | null };
  result: AuditEntry['result'];
  data?: AuditEntry['data'];
}

export function auditEntry(fact: AuditFact): AuditEntry {
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
