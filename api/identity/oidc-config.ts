// Which OIDC issuers are trusted, and for what: LEASEHOLD_OIDC_ISSUERS.
import { z } from 'zod';

export interface OidcIssuer {
  /** Exactly as it stands in `iss`. */
  issuer: string;
  /** A token must be for one of these. */
  audiences: readonly string[];
  /** null = discovered. */
  jwksUri: string | null;
  /** The claim that names the team a token acts for; null = none does. */
  teamClaim: string | null;
  /** Whether this issuer's `email_verified` is believed. */
  trustEmail: boolean;
}

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Keys that came over plain http are anybody's. */
export function isTrustworthyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname));
}

const url = z.string().refine(isTrustworthyUrl, { error: 'must be an https URL (http only on loopback)' });
const audience = z.string().min(1, { error: 'must not be empty' }).max(255);

const issuerSchema = z.strictObject({
  issuer: url.refine((text) => !/[?#]/.test(text), { error: 'must have no query and no fragment' }),
  audience: z.union([audience, z.array(audience).min(1)]),
  jwks_uri: url.optional(),
  team_claim: z.string().min(1).max(255).optional(),
  trust_email: z.boolean().default(true),
});

/** `https://issuer.example|audience,https://other.example|audience` */
function fromList(text: string): unknown[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const [issuer, audience, ...rest] = part.split('|');
      if (rest.length > 0) throw new Error('each entry of the list is <issuer>|<audience>');
      return { issuer, audience };
    });
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('starts like JSON and is none');
  }
}

/**
 * Reads a JSON array of `{issuer, audience, jwks_uri?, team_claim?, trust_email?}`, or the short list.
 * @throws Error that says which entry is wrong and how
 */
export function parseOidcIssuers(text: string): OidcIssuer[] {
  const trimmed = text.trim();
  const given = /^[[{]/.test(trimmed) ? fromJson(trimmed) : fromList(trimmed);
  const parsed = z.array(issuerSchema).safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const [index, field] = issue?.path ?? [];
    const where = typeof index === 'number' ? `entry ${index + 1}${field === undefined ? '' : `, ${String(field)}`}` : 'the whole';
    throw new Error(`${where}: ${issue?.message ?? 'is not valid'}`);
  }
  const issuers = parsed.data.map((entry) => ({
    issuer: entry.issuer,
    audiences: typeof entry.audience === 'string' ? [entry.audience] : entry.audience,
    jwksUri: entry.jwks_uri ?? null,
    teamClaim: entry.team_claim ?? null,
    trustEmail: entry.trust_email,
  }));
  if (new Set(issuers.map(({ issuer }) => issuer)).size < issuers.length) throw new Error('an issuer stands there twice');
  return issuers;
}
