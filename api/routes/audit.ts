// The audit log: a team's own lines for its admins, all of them for operators; as pages or as one CSV file.
import { once } from 'node:events';
import { audit } from '../audit';
import { authorizeScope, authorizeTeam } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { type AuditFilter, type AuditLine, asSeenBy } from '../projection/auditlog';
import { csvLine } from '../projection/csv';
import { decodeListCursor, encodeListCursor, type ListPosition } from '../projection/cursor';
import { AUDIT_FIELD_CODES, adminAuditExportQuery, adminAuditQuery, auditAnswer, auditExportQuery, auditQuery } from '../schemas/audit';
import { closedSignal } from './resources';

const CSV = 'text/csv';
const EXPORT_PAGE = 1_000;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export function auditRoutes(deps: ApiDeps): Route[] {
  return [teamPageRoute(deps), teamExportRoute(deps), adminPageRoute(deps), adminExportRoute(deps)];
}

interface Filters extends Omit<AuditFilter, 'teamId' | 'requestId'> {
  request_id?: string;
  team?: string;
  before?: string;
}

function filterOf({ request_id, team, before: _, ...filter }: Filters): AuditFilter {
  return { ...filter, requestId: request_id, teamId: team?.toLowerCase() };
}

/** A cursor of ours, or a time. @throws ApiError invalid_cursor */
function positionOf(before: string | undefined): ListPosition | null {
  if (before === undefined) return null;
  if (!/^\d{4}-\d\d-\d\d/.test(before)) return decodeListCursor(before);
  const atMs = Date.parse(before);
  if (Number.isNaN(atMs))
    throw new ApiError({ code: 'invalid_cursor', message: 'before must be the next_before of an earlier page, or a time in ISO 8601.' });
  return { createdKey: new Date(atMs).toISOString(), id: NIL_UUID };
}

function toWire(line: AuditLine) {
  return {
    id: line.id,
    occurred_at: line.occurredAt.toISOString(),
    actor: {
      type: line.actorType,
      id: line.actorId,
      role: line.actorRole,
      user_id: line.actorUserId,
      credential: line.actorCredential,
    },
    action: line.action,
    target: { type: line.targetType, id: line.targetId },
    team_id: line.teamId,
    result: line.result,
    request_id: line.correlationId,
    ip: line.ip,
    data: line.data,
  };
}

const positionAfter = ({ createdKey, id }: AuditLine): ListPosition => ({ createdKey, id });

async function page(
  deps: ApiDeps,
  query: Filters & { limit: string },
  filter: AuditFilter,
  seen: (line: AuditLine) => AuditLine,
): Promise<Reply> {
  const limit = Number(query.limit);
  const lines = await deps.auditLog.page(filter, { limit, before: positionOf(query.before) });
  const last = lines.length < limit ? undefined : lines.at(-1);
  const next_before = last === undefined ? null : encodeListCursor(positionAfter(last));
  return { status: 200, body: { ok: true, items: lines.map((line) => toWire(seen(line))), next_before } };
}

const COLUMNS = [
  'occurred_at',
  'id',
  'actor_type',
  'actor_id',
  'actor_role',
  'actor_user_id',
  'actor_credential',
  'action',
  'target_type',
  'target_id',
  'team_id',
  'result',
  'request_id',
  'ip',
  'data',
];

function toCsv(line: AuditLine): string {
  return csvLine([
    line.createdKey,
    line.id,
    line.actorType,
    line.actorId,
    line.actorRole,
    line.actorUserId,
    line.actorCredential,
    line.action,
    line.targetType,
    line.targetId,
    line.teamId,
    line.result,
    line.correlationId,
    line.ip,
    JSON.stringify(line.data),
  ]);
}

/** Page by page, as fast as the client reads: no export is ever held in memory. */
async function exportCsv(
  deps: ApiDeps,
  { response, query }: Pick<RouteRequest<unknown, Filters>, 'response' | 'query'>,
  filter: AuditFilter,
  seen: (line: AuditLine) => AuditLine,
): Promise<Reply> {
  const closed = closedSignal(response, deps.stopping);
  let before = positionOf(query.before);
  // The first page before the header: what fails so far is still an error answer.
  let lines = await deps.auditLog.page(filter, { limit: EXPORT_PAGE, before });
  response.status(200).set({ 'Content-Type': `${CSV}; charset=utf-8`, 'Content-Disposition': 'attachment; filename="audit.csv"' });
  response.write(csvLine(COLUMNS));
  while (!closed.aborted) {
    const drained = response.write(lines.map((line) => toCsv(seen(line))).join(''));
    const last = lines.at(-1);
    if (last === undefined || lines.length < EXPORT_PAGE) break;
    if (!drained) await once(response, 'drain', { signal: closed }).catch(() => undefined);
    before = positionAfter(last);
    lines = await deps.auditLog.page(filter, { limit: EXPORT_PAGE, before });
  }
  response.end();
  return { status: 200, handled: true };
}

const PAGE_ERRORS = ['invalid_filter', 'invalid_limit', 'invalid_cursor'] as const;
const EXPORT_ERRORS = ['invalid_filter', 'invalid_cursor'] as const;

function teamPageRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/audit',
    operationId: 'list_audit',
    summary: 'What was done in the team and to its resources, newest first',
    description: 'Of an actor outside the team the type alone is shown.',
    tag: 'Audit',
    access: 'bearer',
    query: auditQuery,
    fieldCodes: AUDIT_FIELD_CODES,
    answers: { 200: { description: 'One page.', schema: auditAnswer } },
    errors: PAGE_ERRORS,
    async handle(request) {
      const { teamId } = authorizeTeam(deps, { ...request, action: 'audit.read' });
      return await page(deps, request.query, { ...filterOf(request.query), teamId }, (line) => asSeenBy(teamId, line));
    },
  });
}

function teamExportRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/audit.csv',
    operationId: 'export_audit',
    summary: 'The same as CSV, all of it',
    tag: 'Audit',
    access: 'bearer',
    query: auditExportQuery,
    fieldCodes: AUDIT_FIELD_CODES,
    answers: { 200: { description: 'The file.', contentTypes: [CSV] } },
    errors: EXPORT_ERRORS,
    async handle(request) {
      const { context } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'audit.read' });
      const { teamId } = caller;
      const target = { type: 'team', id: teamId, teamId };
      await audit(deps, { caller, context, action: 'audit.read', target, result: 'success', data: { format: 'csv' } });
      return await exportCsv(deps, request, { ...filterOf(request.query), teamId }, (line) => asSeenBy(teamId, line));
    },
  });
}

async function authorizeOperator(deps: ApiDeps, { caller, context, query }: RouteRequest<unknown, Filters>, format: string): Promise<void> {
  authorizeScope(deps, { caller, context, action: 'admin.audit', scope: { kind: 'global' } });
  const target = { type: 'platform', id: 'audit', teamId: null };
  const data = { format, team: query.team ?? null, actor: query.actor ?? null, target: query.target ?? null };
  await audit(deps, { caller, context, action: 'admin.audit', target, result: 'success', data });
}

function adminPageRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/admin/audit',
    operationId: 'admin_list_audit',
    summary: 'Everything that is on the record, newest first',
    tag: 'Operators',
    access: 'operator',
    query: adminAuditQuery,
    fieldCodes: AUDIT_FIELD_CODES,
    answers: { 200: { description: 'One page.', schema: auditAnswer } },
    errors: PAGE_ERRORS,
    async handle(request) {
      await authorizeOperator(deps, request, 'json');
      return await page(deps, request.query, filterOf(request.query), (line) => line);
    },
  });
}

function adminExportRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/admin/audit.csv',
    operationId: 'admin_export_audit',
    summary: 'The same as CSV, all of it',
    tag: 'Operators',
    access: 'operator',
    query: adminAuditExportQuery,
    fieldCodes: AUDIT_FIELD_CODES,
    answers: { 200: { description: 'The file.', contentTypes: [CSV] } },
    errors: EXPORT_ERRORS,
    async handle(request) {
      await authorizeOperator(deps, request, 'csv');
      return await exportCsv(deps, request, filterOf(request.query), (line) => line);
    },
  });
}
