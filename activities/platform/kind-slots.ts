// How many resources of a kind an owner holds: counted by rows, under a lock that whoever adds one takes.
import type pg from 'pg';
import { type ErrorCode, type ErrorDetails, isErrorCode } from '../../shared/errors';
import type { Owner, ResourceKind } from '../../shared/resourcetype';

/** Until the transaction ends, nobody else adds a resource of this kind to this owner. */
export async function lockKindSlots(client: pg.PoolClient, ownerId: string, kind: ResourceKind): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`quota/${ownerId}/${kind}`]);
}

export interface KindSlots {
  owner: Owner;
  kind: ResourceKind;
  /** -1 = no limit. */
  limit: number;
  tier: string;
}

/** Why the owner may hold no more, or null. Only under `lockKindSlots` does that hold for longer than the question. */
export async function kindSlotsFull(
  client: pg.PoolClient,
  { owner, kind, limit, tier }: KindSlots,
): Promise<{ code: ErrorCode; message: string; details: ErrorDetails } | null> {
  if (limit < 0) return null;
  const { rows } = await client.query<{ held: number }>(
    `SELECT count(*) AS held FROM resources
      WHERE kind = $1 AND status NOT IN ('deleted', 'failed')
        AND CASE WHEN $2 THEN team_id = $3::text::uuid ELSE team_id IS NULL AND owner_fingerprint = $3::text END`,
    [kind, owner.type === 'team', owner.type === 'team' ? owner.teamId : owner.fingerprint],
  );
  const held = rows[0]?.held ?? 0;
  if (held < limit) return null;
  const code = `${kind}_limit_reached`;
  if (!isErrorCode(code)) throw new Error(`no error code for kind ${kind}`);
  return {
    code,
    message: `The ${tier} plan holds ${limit} resources of kind ${kind} at once; delete one or upgrade.`,
    details: { limit, held },
  };
}
