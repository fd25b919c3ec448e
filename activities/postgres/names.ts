// Names on the server: as statements take them, and the lock that guards each.
import { createHash } from 'node:crypto';
import { escapeIdentifier, escapeLiteral } from 'pg';

/** Every tenant's login role is in it: what pg_hba.conf names, and nothing has a right through it. */
export const TENANTS_GROUP = 'leasehold_tenants';

/** The key of the advisory lock on a name, as an SQL literal: 64 bits of its hash. */
export function lockKey(name: string): string {
  const key = createHash('sha256').update(`leasehold/postgres/${name}`).digest().readBigInt64BE(0);
  return `'${key}'::bigint`;
}

export const identifier = escapeIdentifier;
export const literal = escapeLiteral;
