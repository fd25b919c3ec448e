// Decides alone whether an object's key is safe: the key, whatever a server makes of it, stays below the prefix that is put before it.

export type UnsafeKeyReason =
  | 'empty'
  | 'too_long'
  | 'not_unicode'
  | 'control_character'
  | 'backslash'
  | 'leading_slash'
  | 'empty_segment'
  | 'dot_segment'
  | 'percent_encoding'
  | 'not_normalized';

export type KeyVerdict = { safe: true } | { safe: false; reason: UnsafeKeyReason };

/** What S3 takes, prefix included. */
export const MAX_OBJECT_KEY_BYTES = 1024;

/** A server that decodes more often than this is not one that we put objects on. */
const MAX_DECODINGS = 8;

// Controls, format characters that nobody sees (zero width, bidi, tags, blank letters) and line separators.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]/u;
/** Joiners and variation selectors inside emoji and scripts are ordinary text; alone between dots they are not. */
const JOINERS = /\u200c|\u200d|\ufe0e|\ufe0f/g;
// With the u flag this is half a pair only.
const LONE_SURROGATE = /[\ud800-\udfff]/u;
const HEX_ESCAPE = /%[0-9a-f]{2}/i;

/** @param maxBytes what is left for the key once the prefix has its share */
export function checkObjectKey(key: string, maxBytes: number = MAX_OBJECT_KEY_BYTES): KeyVerdict {
  if (key === '') return unsafe('empty');
  if (LONE_SURROGATE.test(key)) return unsafe('not_unicode');
  if (Buffer.byteLength(key, 'utf8') > maxBytes) return unsafe('too_long');
  const plain = shapeOf(key);
  if (plain !== null) return unsafe(plain);
  if (key.normalize('NFC') !== key) return unsafe('not_normalized');
  // What only looks harmless: fullwidth and one-dot forms become dots and slashes under compatibility normalisation.
  const folded = key.normalize('NFKC');
  if (folded !== key && changesShape(key, folded)) return unsafe('not_normalized');
  return percentEncoding(key);
}

function unsafe(reason: UnsafeKeyReason): KeyVerdict {
  return { safe: false, reason };
}

/** What is wrong with the text as it stands, or null. */
function shapeOf(text: string): UnsafeKeyReason | null {
  const seen = text.replace(JOINERS, '');
  if (INVISIBLE.test(seen)) return 'control_character';
  if (seen.includes('\\')) return 'backslash';
  if (seen.startsWith('/')) return 'leading_slash';
  const segments = seen.split('/');
  if (segments.some((segment) => segment === '')) return 'empty_segment';
  // Some servers and file systems drop the spaces around a segment.
  if (segments.some((segment) => /^\.{1,2}$/.test(segment.trim()))) return 'dot_segment';
  return null;
}

function changesShape(before: string, after: string): boolean {
  return shapeOf(after) !== null || after.split('/').length !== before.split('/').length;
}

/** However often it is decoded, it must not become another path. A percent sign that escapes nothing is a percent sign. */
function percentEncoding(key: string): KeyVerdict {
  let text = key;
  for (let round = 0; round < MAX_DECODINGS; round += 1) {
    if (!HEX_ESCAPE.test(text)) return { safe: true };
    const decoded = decodeOnce(text);
    // Overlong forms such as %c0%ae are no UTF-8, and some decoders take them for a dot.
    if (decoded === null) return unsafe('percent_encoding');
    if (changesShape(text, decoded) || changesShape(text, decoded.normalize('NFKC'))) return unsafe('percent_encoding');
    text = decoded;
  }
  return unsafe('percent_encoding');
}

function decodeOnce(text: string): string | null {
  try {
    return text.replace(/(%[0-9a-f]{2})+/gi, (run) => decodeURIComponent(run));
  } catch {
    return null;
  }
}
