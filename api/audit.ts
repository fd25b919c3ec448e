// The api's own lines in the audit log: denials, credential reads and what operators look at. The rest is written by transitions.
import type { Caller } from './auth/caller';
import { actorOf } from './auth/caller';
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

/** Written before the answer: what cannot be recorded is not handed out. */
export async function audit(deps: Pick<ApiDeps, 'store'>, fact: AuditFact): Promise<void> {
  await deps.store.audit({
    actor: actorOf(fact.caller),
    action: fact.action,
    targetType: fact.target.type,
    targetId: fact.target.id,
    teamId: fact.target.teamId,
    result: fact.result,
    correlationId: fact.context.requestId,
    ip: fact.caller.address.ip,
    data: fact.data,
  });
}

/** A denial stands whether or not it can be recorded. */
export function auditDenial(deps: Pick<ApiDeps, 'store' | 'logger'>, fact: Omit<AuditFact, 'result'>): void {
  audit(deps, { ...fact, result: 'denied' }).catch((error: unknown) => {
    deps.logger.error('a denial could not be written to the audit log', { action: fact.action, error });
  });
}
