// Secrets that are recognised by their form, wherever in a text they stand.

export const REDACTED = '[REDACTED]';

/** A longer text is cut: nobody reads it, and every pattern has to walk it. */
const LONGEST_TEXT = 64 * 1024;

type Rule = readonly [pattern: RegExp, replacement: string];

// Repeats are bounded, so that a hostile text costs no quadratic time.
// Where a rule cannot know where the secret ends it takes too much: a log line that lost a word is better than one that shows a password.
const RULES: readonly Rule[] = [
  [/-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|SEED)-----[\s\S]*?(?:-----END [A-Z0-9 ]*(?:PRIVATE KEY|SEED)-----|$)/g, REDACTED],
  [/SCRAM-SHA-(?:1|256|512)\$[^\s'"]+/gi, REDACTED],
  // Up to the last @ before a blank: a password may hold @, : and / that nobody encoded.
  [/:\/\/([^\s:@/?#]{0,256}):[^\s]{1,2048}@/g, `://$1:${REDACTED}@`],
  // A user part alone is a token for these.
  [/\b(https?|nats|tls|wss?):\/\/[^\s:@/?#]{1,2048}@/gi, `$1://${REDACTED}@`],
  [/\b(authorization["']?\s*[:=]\s*)(?:(?:bearer|basic|digest|apikey)\s+)?[^\s"',;]+/gi, `$1${REDACTED}`],
  [/\b(bearer|basic)\s+[^\s"',;]+/gi, `$1 ${REDACTED}`],
  [/\beyJ[A-Za-z0-9_-]{1,4096}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]*/g, REDACTED],
  [/(?<![A-Za-z0-9])(?:lh|lhop)_[A-Za-z0-9_-]+/g, REDACTED],
  [/(?<![A-Za-z0-9])S[ACNOUX][A-Z2-7]{56}(?![A-Za-z0-9])/g, REDACTED],
  [/(\/webhook\/receive\/)[^\s/?#"']+/g, `$1${REDACTED}`],
  [/\b(PASSWORD\s+)(?:E?'(?:[^']|'')*'|"[^"]*")/gi, `$1${REDACTED}`],
  [
    /((?:password|passwd|secret|token|tokens|api[_-]?key|access[_-]?key|private[_-]?key|signature|credential)["']?\s*=\s*)(?:"[^"]*"|'[^']*'|[^\s&;,"']+)/gi,
    `$1${REDACTED}`,
  ],
  [/([?&]t=)[^\s&#"']+/g, `$1${REDACTED}`],
  [
    /("[\w.-]{0,64}(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|connection_url|jwt|nkey|seed|creds)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi,
    `$1"${REDACTED}"`,
  ],
];

/** The text with passwords in urls, bearer values, JWTs, API keys, SCRAM verifiers, private keys and the like replaced. */
export function sanitizeText(text: string): string {
  let clean = text;
  if (clean.length > LONGEST_TEXT) {
    // Cut at a blank: half a secret would have lost the form it is known by.
    const cut = clean.slice(0, LONGEST_TEXT).replace(/\S*$/, '');
    clean = `${cut}[${text.length - cut.length} more characters]`;
  }
  for (const [pattern, replacement] of RULES) clean = clean.replace(pattern, replacement);
  return clean;
}
