// `ResourceStore` on the platform's Postgres. Statements are named, so that a connection parses and plans each once.
import type pg from 'pg';
import { migrationState, RESOURCE_COLUMNS } from '../../shared/db';
import type { Owner, ResourceKind } from '../../shared/resourcetype';
import { auditStatement } from '../audit';
import type {
  ApiKeyRecord,
  AuditEntry,
  BackendState,
  IdempotencyClaim,
  IdempotencyRecord,
  ListFilter,
  ListPage,
  PlacementStates,
  ResourceEvent,
  ResourceStore,
  ResourceWithCredential,
  StoredCredential,
  StoredResource,
} from './store';

const CREATED_KEY = `to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_key`;
const ROW = `${RESOURCE_COLUMNS.replace(/\s+/g, ' ')
  .split(', ')
  .map((column) => `r.${column}`)
  .join(', ')}, r.token_hash, r.token_encrypted, ${CREATED_KEY}`;
/** A fingerprinted request counts as the same one for so long. */
const FINGERPRINT_WINDOW = '120 seconds';
const READY_KINDS_MS = 1_000;

interface CredentialColumns {
  cred_version: number | null;
  cred_username: string;
  cred_password: string;
  cred_issued: string | null;
  connection_details: ResourceWithCredential['details'];
}

export class PgResourceStore implements ResourceStore {
  readonly #pool: pg.Pool;
  #readyKinds: { atMs: number; kinds: Promise<ReadonlySet<string>> } | null = null;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async find(key: { id: string; tokenHash: string | null }): Promise<StoredResource | null> {
    const rows = await this.#rows<StoredResource>('resource_find', `SELECT ${ROW} FROM resources r WHERE r.id = $1 OR r.token_hash = $2`, [
      key.id,
      key.tokenHash,
    ]);
    // The token names one row and the id another only if somebody guessed 122 bits.
    return rows.find((row) => row.token_hash === key.tokenHash) ?? rows[0] ?? null;
  }

  async findByClaimToken(hash: string): Promise<StoredResource | null> {
    const rows = await this.#rows<StoredResource>(
      'resource_claim',
      `SELECT ${ROW} FROM resources r WHERE r.token_hash = $1 OR r.claim_hash = $1`,
      [hash],
    );
    return rows[0] ?? null;
  }

  async findWithCredential(id: string): Promise<ResourceWithCredential | null> {
    const rows = await this.#rows<StoredResource & CredentialColumns>(
      'resource_credential',
      `SELECT ${ROW}, c.version AS cred_version, c.username AS cred_username, c.password_encrypted AS cred_password,
              c.issued_encrypted AS cred_issued, d.details AS connection_details
         FROM resources r LEFT JOIN resource_credentials c ON c.resource_id = r.id AND c.version = r.credential_version
              LEFT JOIN resource_connections d ON d.resource_id = r.id
        WHERE r.id = $1`,
      [id],
    );
    const row = rows[0];
    if (row === undefined) return null;
    const { cred_version, cred_username, cred_password, cred_issued, connection_details, ...resource } = row;
    const credential: StoredCredential | null =
      cred_version === null
        ? null
        : { version: cred_version, username: cred_username, password_encrypted: cred_password, issued_encrypted: cred_issued };
    return { resource, credential, details: connection_details };
  }

  async list(filter: ListFilter, page: { limit: number; after: { createdKey: string; id: string } | null }): Promise<ListPage> {
    const values: unknown[] = [];
    const bind = (value: unknown): string => `$${values.push(value)}`;
    const where: string[] = [];
    if (filter.teamId !== null) where.push(`r.team_id = ${bind(filter.teamId)}`);
    where.push(filter.status === undefined ? `r.status <> 'deleted'` : `r.status = ${bind(filter.status)}`);
    if (filter.env !== undefined) where.push(`r.env = ${bind(filter.env)}`);
    if (filter.kind !== undefined) where.push(`r.kind = ${bind(filter.kind)}`);
    if (Object.keys(filter.labels).length > 0) where.push(`r.labels @> ${bind(JSON.stringify(filter.labels))}::jsonb`);
    const counted = this.#pool.query<{ total: number }>(`SELECT count(*) AS total FROM resources r WHERE ${where.join(' AND ')}`, [
      ...values,
    ]);
    if (page.after !== null)
      where.push(`(r.created_at, r.id) < (${bind(page.after.createdKey)}::timestamptz, ${bind(page.after.id)}::uuid)`);
    const listed = this.#pool.query<StoredResource>(
      `SELECT ${ROW} FROM resources r WHERE ${where.join(' AND ')} ORDER BY r.created_at DESC, r.id DESC LIMIT ${bind(page.limit)}`,
      values,
    );
    const [total, items] = await Promise.all([counted, listed]);
    return { items: items.rows, total: Number(total.rows[0]?.total ?? 0) };
  }

  events(id: string, page: { afterRevision: number; limit: number }): Promise<ResourceEvent[]> {
    return this.#rows<ResourceEvent>(
      'resource_events',
      `SELECT id, revision, type, status, data, actor_type, actor_id, request_id, occurred_at
         FROM resource_events WHERE resource_id = $1 AND revision > $2 ORDER BY revision LIMIT $3`,
      [id, page.afterRevision, page.limit],
    );
  }

  async findApiKey(keyHash: string): Promise<ApiKeyRecord | null> {
    const rows = await this.#rows<ApiKeyRecord>(
      'api_key',
      `SELECT k.id AS "keyId", k.team_id AS "teamId", t.tier, k.scopes, k.created_by AS "userId",
              CASE WHEN k.created_by IS NULL THEN 'owner' ELSE coalesce(m.role, 'viewer') END AS role,
              k.revoked_at IS NOT NULL OR (k.created_by IS NOT NULL AND m.user_id IS NULL) AS revoked
         FROM api_keys k JOIN teams t ON t.id = k.team_id LEFT JOIN memberships m ON m.team_id = k.team_id AND m.user_id = k.created_by
        WHERE k.key_hash = $1`,
      [keyHash],
    );
    return rows[0] ?? null;
  }

  async newestAttempt(scope: string, key: string): Promise<IdempotencyRecord | null> {
    const rows = await this.#rows<IdempotencyRecord>(
      'idempotency_newest',
      `SELECT i.generation, i.request_hash AS "requestHash", i.resource_id AS "resourceId",
              i.created_at > now() - interval '${FINGERPRINT_WINDOW}' AS recent, r.status
         FROM idempotency_keys i LEFT JOIN resources r ON r.id = i.resource_id
        WHERE i.scope = $1 AND i.key = $2 ORDER BY i.generation DESC LIMIT 1`,
      [scope, key],
    );
    return rows[0] ?? null;
  }

  async claimAttempt(claim: IdempotencyClaim): Promise<boolean> {
    const result = await this.#pool.query({
      name: 'idempotency_claim',
      text: `INSERT INTO idempotency_keys (scope, key, generation, request_hash, resource_id)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
      values: [claim.scope, claim.key, claim.generation, claim.requestHash, claim.resourceId],
    });
    return result.rowCount === 1;
  }

  readyKinds(): Promise<ReadonlySet<string>> {
    const nowMs = Date.now();
    if (this.#readyKinds !== null && nowMs - this.#readyKinds.atMs < READY_KINDS_MS) return this.#readyKinds.kinds;
    const kinds = this.#rows<{ kind: string }>(
      'ready_kinds',
      'SELECT DISTINCT kind FROM backend_states WHERE ready AND NOT drained',
      [],
    ).then((rows) => new Set(rows.map((row) => row.kind)));
    this.#readyKinds = { atMs: nowMs, kinds };
    // A failed look is not kept.
    kinds.catch(() => {
      this.#readyKinds = null;
    });
    return kinds;
  }

  backendStates(): Promise<BackendState[]> {
    return this.#rows<BackendState>(
      'backend_states',
      `SELECT b.name, b.kind, b.drained, b.ready, b.listed, b.last_error AS "lastError", b.unproven,
              (SELECT count(*) FROM pool_items p WHERE p.backend_name = b.name AND p.state = 'ready')::int AS "poolReady"
         FROM backend_states b WHERE b.matters ORDER BY b.name`,
      [],
    );
  }

  async placements(): Promise<PlacementStates> {
    const [backends, hosts] = await Promise.all([
      this.#rows<PlacementStates['backends'][number]>(
        'placement_backends',
        `SELECT b.name, b.kind, b.engine, b.region, b.host_name AS host, b.capacity, b.weight, b.own_drained AS drained, b.ready,
                b.server_version, b.last_error, b.unproven,
                (SELECT count(*) FROM resources r WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed'))::int AS held,
                (SELECT count(*) FROM pool_items p WHERE p.backend_name = b.name AND p.state = 'ready')::int AS pool_ready
           FROM backend_states b WHERE b.matters ORDER BY b.kind, b.name`,
        [],
      ),
      this.#rows<PlacementStates['hosts'][number]>(
        'placement_hosts',
        'SELECT name, region, address, drained, ready, checked_at, last_error FROM host_states ORDER BY name',
        [],
      ),
    ]);
    return { backends, hosts };
  }

  async setDrained({ place, name, drained }: { place: 'backend' | 'host'; name: string; drained: boolean }): Promise<boolean> {
    const table = place === 'backend' ? 'backends' : 'hosts';
    const { rowCount } = await this.#pool.query(`UPDATE ${table} SET drained = $2 WHERE name = $1`, [name, drained]);
    this.#readyKinds = null;
    return rowCount === 1;
  }

  poolItems(): Promise<{ backend: string; state: string; count: number }[]> {
    return this.#rows(
      'pool_items',
      `SELECT b.name AS backend, s.state, (SELECT count(*) FROM pool_items p WHERE p.backend_name = b.name AND p.state = s.state)::int AS count
         FROM backends b CROSS JOIN (VALUES ('creating'), ('ready'), ('claimed'), ('destroying')) AS s (state)`,
      [],
    );
  }

  lifecycleCounts(): Promise<{ kind: string; status: string; count: number; overdueSeconds: number }[]> {
    return this.#rows(
      'lifecycle_counts',
      `SELECT kind, status, count(*)::int AS count,
              greatest(0, coalesce(max(extract(epoch FROM now() - expires_at - (policy ->> 'graceMs')::float8 * interval '1 millisecond')), 0))::float8 AS "overdueSeconds"
         FROM resources WHERE status NOT IN ('deleted', 'failed') GROUP BY kind, status`,
      [],
    );
  }

  async usage(owner: Owner, kind: ResourceKind): Promise<{ ofKind: number; provisionsToday: number }> {
    const column = owner.type === 'team' ? 'team_id' : 'owner_fingerprint';
    const ownerId = owner.type === 'team' ? owner.teamId : owner.fingerprint;
    const rows = await this.#rows<{ ofKind: number; provisionsToday: number }>(
      `usage_${owner.type}`,
      `SELECT (SELECT count(*) FROM resources WHERE ${column} = $1::text::${owner.type === 'team' ? 'uuid' : 'text'} AND kind = $2 AND status NOT IN ('deleted', 'failed'))::int AS "ofKind",
              coalesce((SELECT count FROM provision_counts WHERE fingerprint = $1::text AND day = (now() AT TIME ZONE 'UTC')::date), 0) AS "provisionsToday"`,
      [ownerId, kind],
    );
    return rows[0] ?? { ofKind: 0, provisionsToday: 0 };
  }

  async audit(entry: AuditEntry): Promise<void> {
    await this.#pool.query(auditStatement(entry));
  }

  async ping(): Promise<void> {
    await this.#pool.query('SELECT 1');
  }

  migration(): Promise<{ version: string | null; status: string }> {
    return migrationState(this.#pool);
  }

  async #rows<R>(name: string, text: string, values: unknown[]): Promise<R[]> {
    const result = await this.#pool.query({ name: `api_${name}`, text, values });
    return result.rows as R[];
  }
}
