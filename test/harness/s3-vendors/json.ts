// What the doubles of the vendors' JSON APIs have in common.
import type { Answer } from './server';
import type { Received } from './signature';

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export function hasToken({ headers }: Received, token: string): boolean {
  return headers.authorization === `Bearer ${token}`;
}

/** Null when it is no object or says that it is something else. */
export function bodyOf({ headers, body }: Received): Record<string, unknown> | null {
  if (headers['content-type'] !== 'application/json') return null;
  const value: unknown = JSON.parse(body.toString());
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
