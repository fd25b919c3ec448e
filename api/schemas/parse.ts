// Turns what zod says into the catalogue's code, naming the field.
import type { z } from 'zod';
import type { ErrorCode } from '../../shared/errors';
import { ApiError } from '../errors';

type Issue = z.core.$ZodIssue;

function messageOf(issue: Issue): string {
  if (issue.code === 'unrecognized_keys')
    return `${issue.keys.map((key) => JSON.stringify(key.slice(0, 64))).join(', ')} is not known here; leave it out`;
  const path = issue.path.join('.');
  return path === '' || issue.message.startsWith(path) || issue.message.startsWith(String(issue.path[0]))
    ? issue.message
    : `${path} ${issue.message}`;
}

function codeOf(issue: Issue, input: unknown, fieldCodes: Readonly<Record<string, ErrorCode>>): ErrorCode {
  const field = String(issue.path[0] ?? '');
  const code = Object.hasOwn(fieldCodes, field) ? fieldCodes[field] : undefined;
  if (code === 'invalid_name') {
    const value = typeof input === 'object' && input !== null && 'name' in input ? input.name : undefined;
    if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) return 'name_required';
  }
  return code ?? 'invalid_request';
}

/** @throws ApiError that names the first wrong field and its remedy; the rest are in `details.fields` */
export function parseWith<T extends z.ZodType>(
  schema: T,
  input: unknown,
  fieldCodes: Readonly<Record<string, ErrorCode>> = {},
): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  if (first === undefined) throw new ApiError({ code: 'invalid_request', message: 'The request is not as it must be.' });
  const fields = [
    ...new Set(result.error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.join('.')]))),
  ];
  const named = fields.filter((field) => field !== '').map((field) => field.slice(0, 64));
  const message = messageOf(first);
  throw new ApiError({
    code: codeOf(first, input, fieldCodes),
    message: `${message}.`,
    details: named.length > 0 ? { field: named[0] ?? '', fields: named } : {},
  });
}
