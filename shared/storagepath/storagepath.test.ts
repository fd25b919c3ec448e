import { posix } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkObjectKey, MAX_OBJECT_KEY_BYTES, type UnsafeKeyReason } from '.';

const SAFE = [
  'a',
  'a/b/c.txt',
  'reports/2026-11/übersicht.pdf',
  '100% sure.txt',
  '50%off/x',
  'a..b',
  '...',
  '.hidden',
  'with space/and (brackets)',
  'emoji/👩‍👩‍👧.png',
  'a+b=c&d?e#f',
  '日本語/ファイル',
  'x%20y',
  `${'k'.repeat(MAX_OBJECT_KEY_BYTES)}`,
];

const UNSAFE: [key: string, reason: UnsafeKeyReason][] = [
  ['', 'empty'],
  ['k'.repeat(MAX_OBJECT_KEY_BYTES + 1), 'too_long'],
  ['ü'.repeat(513), 'too_long'],
  ['\ud800', 'not_unicode'],
  ['a\u0000b', 'control_character'],
  ['a\nb', 'control_character'],
  ['a\u007f', 'control_character'],
  ['a\u202egpj.exe', 'control_character'],
  ['.\u200b.', 'control_character'],
  ['a\u2028b', 'control_character'],
  ['a\\b', 'backslash'],
  ['..\\b', 'backslash'],
  ['/a', 'leading_slash'],
  ['//a', 'leading_slash'],
  ['a//b', 'empty_segment'],
  ['a/', 'empty_segment'],
  ['..', 'dot_segment'],
  ['.', 'dot_segment'],
  ['a/../b', 'dot_segment'],
  ['a/./b', 'dot_segment'],
  ['../../etc/passwd', 'dot_segment'],
  ['a/.. /b', 'dot_segment'],
  ['.\u200d./b', 'dot_segment'],
  ['%2e%2e', 'percent_encoding'],
  ['a/%2E%2e/b', 'percent_encoding'],
  ['.%2e/b', 'percent_encoding'],
  ['%252e%252e', 'percent_encoding'],
  ['%25252e%25252e/x', 'percent_encoding'],
  ['a%2fb', 'percent_encoding'],
  ['a%5cb', 'percent_encoding'],
  ['a%00', 'percent_encoding'],
  ['%c0%ae%c0%ae', 'percent_encoding'],
  ['a%ff', 'percent_encoding'],
  ['%ef%bc%8e%ef%bc%8e/b', 'percent_encoding'],
  ['．．/b', 'not_normalized'],
  ['‥/b', 'not_normalized'],
  ['․․/b', 'not_normalized'],
  ['a／b', 'not_normalized'],
  ['a＼b', 'not_normalized'],
  ['e\u0301', 'not_normalized'],
];

describe('checkObjectKey', () => {
  it.each(SAFE)('takes %j', (key) => expect(checkObjectKey(key)).toEqual({ safe: true }));
  it.each(UNSAFE)('refuses %j: %s', (key, reason) => expect(checkObjectKey(key)).toEqual({ safe: false, reason }));

  it('leaves room for the prefix', () => {
    expect(checkObjectKey('abcd', 4).safe).toBe(true);
    expect(checkObjectKey('abcde', 4)).toEqual({ safe: false, reason: 'too_long' });
  });
});

// Pieces that traversal is made of, and harmless ones.
const piece = fc.constantFrom(
  ...[
    '.',
    '..',
    '/',
    '\\',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%25',
    '%252e',
    '%00',
    '\u0000',
    '．',
    '‥',
    '․',
    '／',
    '＼',
    '\u200b',
    '\u200d',
    '\u202e',
    ' ',
    '%',
    'a',
    'b',
  ],
);
const anyKey = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

/** What a server, a proxy or a file system may do to a path. */
const READINGS: ((text: string) => string)[] = [
  (text) => text,
  (text) => text.normalize('NFKC'),
  (text) => text.replaceAll('\\', '/'),
  (text) => text.replace(/[\u200b-\u200f\u202a-\u202e\u2060\ufeff]/gu, ''),
  (text) => tryOr(text, decodeURIComponent),
  (text) => text.replaceAll('\u0000', ''),
  (text) => (text.includes('\u0000') ? (text.split('\u0000')[0] ?? '') : text),
];

function tryOr(text: string, read: (text: string) => string): string {
  try {
    return read(text);
  } catch {
    return text;
  }
}

describe('properties', () => {
  it('whatever is taken stays below its prefix, however it is read', () => {
    fc.assert(
      fc.property(anyKey, fc.array(fc.nat(READINGS.length - 1), { maxLength: 5 }), (key, order) => {
        fc.pre(checkObjectKey(key).safe);
        const read = order.reduce((text, index) => READINGS[index]?.(text) ?? text, key);
        expect(posix.resolve('/tenant/a', read).startsWith('/tenant/a/')).toBe(true);
        expect(posix.normalize(read)).toBe(read);
      }),
      { numRuns: 5_000 },
    );
  });

  it('plain keys of letters, digits and single slashes are always taken', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        expect(checkObjectKey(segments.join('/'))).toEqual({ safe: true });
      }),
    );
  });

  it('a traversal is refused wherever it stands and however often it is encoded', () => {
    const encode = (text: string) => text.replace(/[./%\\]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
    fc.assert(
      fc.property(fc.nat(6), fc.constantFrom('..', '.', '..\\', '.\u200b.'), fc.constantFrom('', 'a/'), (times, step, before) => {
        let evil: string = step;
        for (let round = 0; round < times; round += 1) evil = encode(evil);
        expect(checkObjectKey(`${before}${evil}/b`).safe).toBe(false);
      }),
    );
  });

  it('one answer for one key, and never an exception', () => {
    fc.assert(fc.property(anyKey, (key) => expect(checkObjectKey(key)).toEqual(checkObjectKey(key))));
  });
});
