// A request's headers as they are kept.
import { isSecretKey, REDACTED } from '../sanitize';

/** Secret whatever their name says to `isSecretKey`. */
const SECRET_HEADERS = new Set(['x-access-key', 'x-api-key-id', 'x-amz-security-token', 'x-forwarded-authorization']);

/** @param raw names and values by turns, as Node's `rawHeaders`. Names in lower case; a header that came twice has both values. */
export function keptHeaders(raw: readonly string[]): Record<string, string> {
  const kept = new Map<string, string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = SECRET_HEADERS.has(name) || isSecretKey(name) ? REDACTED : (raw[index + 1] ?? '');
    const before = kept.get(name);
    kept.set(name, before === undefined || value === REDACTED ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(kept);
}
