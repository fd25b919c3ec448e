// Questions to the audit log and to the leak report, and their answers.
import { z } from 'zod';
import type { ErrorCode } from '../../shared/errors';
import { RESOURCE_STATUSES } from '../../shared/resourcestatus';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { isPlainText, reasonField } from './fields';
import { timestamp } from './provision';

const ok = z.literal(true);
const RESULTS = ['success', 'denied', 'failure'] as const;

const one = (what: string) => ({ error: `${what} must be given once` });
const text = (what: string) =>
  z
    .string(one(what))
    .min(1, { error: `${what} must not be empty` })
    .max(200, { error: `${what} must have at most 200 characters` })
    .refine(isPlainText, { error: `${what} must hold no control characters` })
    .optional();
const time = (what: string) =>
  z
    .string(one(what))
    .pipe(z.iso.datetime({ offset: true, error: `${what} must be a time such as 2026-01-02T03:04:05Z` }))
    .transform((iso) => new Date(iso))
    .optional()
    .meta({ type: 'string', format: 'date-time' });

const before = z.string(one('before')).max(200).optional().meta({ description: 'next_before of the page before, or a time.' });
const limit = z
  .string(one('limit'))
  .refine((given) => /^\d{1,3}$/.test(given) && Number(given) >= 1 && Number(given) <= 200, {
    error: 'limit must be a whole number from 1 to 200',
  })
  .default('50')
  .meta({ description: '1 to 200.' });

const ownFilters = {
  actor: text('actor').meta({ description: 'A user, a credential (key:<id>), a team or a fingerprint.' }),
  action: text('action'),
  target: text('target').meta({ description: 'The id of what it was done to.' }),
  result: z.enum(RESULTS, { error: `result must be one of ${RESULTS.join(', ')}` }).optional(),
  request_id: text('request_id'),
  since: time('since'),
  until: time('until'),
};
const team = z.uuid({ error: 'team must be the id of a team' }).optional();

export const auditExportQuery = z.object({ ...ownFilters, before });
export const auditQuery = z.object({ ...ownFilters, before, limit });
export const adminAuditExportQuery = z.object({ ...ownFilters, team, before });
export const adminAuditQuery = z.object({ ...ownFilters, team, before, limit });

export const AUDIT_FIELD_CODES: Readonly<Record<string, ErrorCode>> = {
  limit: 'invalid_limit',
  before: 'invalid_cursor',
  actor: 'invalid_filter',
  action: 'invalid_filter',
  target: 'invalid_filter',
  result: 'invalid_filter',
  request_id: 'invalid_filter',
  since: 'invalid_filter',
  until: 'invalid_filter',
  team: 'invalid_filter',
};

const line = z
  .object({
    id: z.uuid(),
    occurred_at: timestamp,
    actor: z
      .object({
        type: z.enum(['anonymous', 'team', 'operator', 'system']),
        id: z.string().nullable(),
        role: z.string().nullable(),
        user_id: z.string().nullable(),
        credential: z.string().nullable(),
      })
      .meta({ description: 'Of somebody outside the team nothing but the type is shown to it.' }),
    action: z.string(),
    target: z.object({ type: z.string(), id: z.string() }),
    team_id: z.uuid().nullable(),
    result: z.enum(RESULTS),
    request_id: z.string().nullable(),
    ip: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditLine' });
export const auditAnswer = z.object({ ok, items: z.array(line), next_before: z.string().nullable() });

export const forceDeleteBody = z
  .strictObject(
    { reason: reasonField.optional() },
    { error: (issue) => (issue.code === 'invalid_type' ? 'the body must be a JSON object' : undefined) },
  )
  .optional();

const overdue = z.object({
  id: z.uuid(),
  resource_type: z.enum(RESOURCE_KINDS),
  status: z.enum(RESOURCE_STATUSES),
  backend_name: z.string(),
  object_name: z.string(),
  team_id: z.uuid().nullable(),
  expires_at: timestamp.nullable(),
  updated_at: timestamp,
  workflow: z.enum(['running', 'closed', 'absent']).nullable().meta({ description: 'null = the orchestrator did not say.' }),
});
export const leaksAnswer = z.object({
  ok,
  orphans: z.array(z.object({ backend_name: z.string(), object_name: z.string(), first_seen_at: timestamp, last_seen_at: timestamp })),
  delete_failed: z.array(overdue).meta({ description: 'Deletions that are retried without success.' }),
  overdue: z.array(overdue).meta({ description: 'What should have been made, expired or deleted an hour ago; oldest first.' }),
});
