// Cursors are opaque to clients: base64url of what the next page starts after.
import { ApiError } from '../errors';

function invalidCursor(): ApiError {
  return new ApiError({
    code: 'invalid_cursor',
    message: 'cursor must be the next_cursor of an earlier page; leave it out for the first page.',
  });
}

function decode(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  // Node skips what is not base64url, and a cursor has one spelling only.
  if (cursor.length > 200 || Buffer.from(text, 'utf8').toString('base64url') !== cursor) throw invalidCursor();
  return text;
}

export interface ListPosition {
  createdKey: string;
  id: string;
}

const POSITION = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

export function encodeListCursor(position: ListPosition): string {
  return Buffer.from(`${position.createdKey} ${position.id}`, 'utf8').toString('base64url');
}

/** @throws ApiError invalid_cursor */
export function decodeListCursor(cursor: string): ListPosition {
  const match = POSITION.exec(decode(cursor));
  const [, createdKey, id] = match ?? [];
  if (createdKey === undefined || id === undefined || Number.isNaN(Date.parse(createdKey))) throw invalidCursor();
  return { createdKey, id };
}

export function encodeRevisionCursor(revision: number): string {
  return Buffer.from(`r${revision}`, 'utf8').toString('base64url');
}

/** @throws ApiError invalid_cursor */
export function decodeRevisionCursor(cursor: string): number {
  const digits = /^r(\d{1,9})$/.exec(decode(cursor))?.[1];
  if (digits === undefined) throw invalidCursor();
  return Number(digits);
}
