// A delivery's row, with what it takes to send it; and what became of it.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Channel } from '../../shared/notification';
import type { ResourceStatus } from '../../shared/resourcestatus';
import type { ResourceKind } from '../../shared/resourcetype';

export interface StoredDelivery {
  id: string;
  channel: Channel;
  targetId: string;
  teamId: string | null;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  createdAt: Date;
  address: string | null;
  subscriptionId: string | null;
  /** Null for mail, and where the subscription or the webhook is disabled. */
  url: string | null;
  secretEncrypted: string | null;
  /** While it still signs. */
  previousSecretEncrypted: string | null;
  event: {
    id: string;
    type: string;
    revision: number;
    status: ResourceStatus;
    occurredAt: Date;
    requestId: string | null;
    data: Record<string, string | number | boolean | null>;
  };
  resource: {
    id: string;
    kind: ResourceKind;
    name: string;
    env: string;
    teamId: string | null;
    fingerprint: string | null;
    tokenEncrypted: string;
    expiresAt: Date | null;
  };
}

export interface DeliveryEnd {
  state: 'delivered' | 'dead';
  status: number | null;
  error: string | null;
}

const DELIVERY = `
SELECT d.id, d.channel, d.target_id, d.team_id, d.state, d.attempts, d.created_at, d.address, d.subscription_id,
       e.id AS event_id, e.type, e.revision, e.status, e.occurred_at, e.request_id, e.data,
       r.id AS resource_id, r.kind, r.name, r.env, r.team_id AS resource_team, r.owner_fingerprint, r.token_encrypted, r.expires_at,
       CASE WHEN d.channel = 'email' THEN NULL WHEN d.subscription_id IS NULL THEN r.notify_webhook ELSE s.url END AS url,
       CASE WHEN d.subscription_id IS NULL THEN n.webhook_disabled_at ELSE s.disabled_at END AS disabled_at,
       CASE WHEN d.subscription_id IS NULL THEN n.secret_encrypted ELSE s.secret_encrypted END AS secret,
       CASE WHEN d.subscription_id IS NULL AND n.previous_valid_until > now() THEN n.previous_secret_encrypted
            WHEN d.subscription_id IS NOT NULL AND s.previous_valid_until > now() THEN s.previous_secret_encrypted END AS previous_secret
  FROM deliveries d JOIN resource_events e ON e.id = d.event_id JOIN resources r ON r.id = d.resource_id
       LEFT JOIN resource_notifications n ON n.resource_id = d.resource_id
       LEFT JOIN webhook_subscriptions s ON s.id = d.subscription_id
 WHERE d.id = $1`;

export class DeliveryStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async find(id: string): Promise<StoredDelivery | null> {
    const { rows } = await this.#pool.query({ name: 'delivery', text: DELIVERY, values: [id] });
    const row = rows[0];
    if (row === undefined) return null;
    return {
      id: row.id,
      channel: row.channel,
      targetId: row.target_id,
      teamId: row.team_id,
      state: row.state,
      attempts: row.attempts,
      createdAt: row.created_at,
      address: row.address,
      subscriptionId: row.subscription_id,
      url: row.disabled_at === null ? row.url : null,
      secretEncrypted: row.secret,
      previousSecretEncrypted: row.previous_secret,
      event: {
        id: row.event_id,
        type: row.type,
        revision: row.revision,
        status: row.status,
        occurredAt: row.occurred_at,
        requestId: row.request_id,
        data: row.data,
      },
      resource: {
        id: row.resource_id,
        kind: row.kind,
        name: row.name,
        env: row.env,
        teamId: row.resource_team,
        fingerprint: row.owner_fingerprint,
        tokenEncrypted: row.token_encrypted,
        expiresAt: row.expires_at,
      },
    };
  }

  /** Before the call: an attempt that never came back counts too. Answers its number. */
  async beginAttempt(id: string): Promise<number> {
    const { rows } = await this.#pool.query<{ attempts: number }>(
      'UPDATE deliveries SET attempts = attempts + 1 WHERE id = $1 RETURNING attempts',
      [id],
    );
    return rows[0]?.attempts ?? 0;
  }

  async recordFailure(id: string, failure: { status: number | null; error: string }): Promise<void> {
    await this.#pool.query('UPDATE deliveries SET last_status = $2, last_error = $3 WHERE id = $1', [id, failure.status, failure.error]);
  }

  /** A dead letter is on the audit log, as a person's business. */
  async end(delivery: StoredDelivery, end: DeliveryEnd): Promise<void> {
    const { id, event, resource, teamId, channel, targetId } = delivery;
    await this.#pool.query(
      `WITH ended AS (
         UPDATE deliveries SET state = $2, last_status = $3, last_error = $4, ended_at = now(), address = CASE WHEN $2 = 'dead' THEN address END
          WHERE id = $1 AND state = 'pending' RETURNING id
       )
       INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, action, target_type, target_id, team_id, result, correlation_id, data)
       SELECT $5, now(), 'system', 'notification', 'notification.dead_lettered', 'delivery', id::text, $6, 'failure', $7, $8
         FROM ended WHERE $2 = 'dead'`,
      [
        id,
        end.state,
        end.status,
        end.error,
        uuidv7(),
        teamId,
        event.requestId,
        { event_id: event.id, event_type: event.type, resource_id: resource.id, channel, target: targetId, error: end.error },
      ],
    );
  }

  /** The receiver said that it is gone for good. */
  async disableReceiver({ subscriptionId, resource }: StoredDelivery): Promise<void> {
    if (subscriptionId !== null) {
      await this.#pool.query(
        `UPDATE webhook_subscriptions SET disabled_at = now(), disabled_reason = 'the receiver answered 410', updated_at = now()
          WHERE id = $1 AND disabled_at IS NULL`,
        [subscriptionId],
      );
      return;
    }
    await this.#pool.query(
      `INSERT INTO resource_notifications (resource_id, webhook_disabled_at) VALUES ($1, now())
       ON CONFLICT (resource_id) DO UPDATE SET webhook_disabled_at = now()`,
      [resource.id],
    );
  }

  /** A resource from before there were secrets gets one now; its owner learns it by rotating. */
  async ensureResourceSecret(resourceId: string, sealed: string): Promise<string> {
    const { rows } = await this.#pool.query<{ secret_encrypted: string }>(
      `INSERT INTO resource_notifications AS known (resource_id, secret_encrypted) VALUES ($1, $2)
       ON CONFLICT (resource_id) DO UPDATE SET secret_encrypted = coalesce(known.secret_encrypted, excluded.secret_encrypted)
       RETURNING secret_encrypted`,
      [resourceId, sealed],
    );
    return rows[0]?.secret_encrypted ?? sealed;
  }

  /** Mails to this address within a day, of everybody's resources. */
  async mailsOfLastDay(targetId: string): Promise<number> {
    const { rows } = await this.#pool.query<{ count: number }>(
      `SELECT count(*) AS count FROM deliveries
        WHERE target_id = $1 AND channel = 'email' AND state = 'delivered' AND ended_at > now() - interval '1 day'`,
      [targetId],
    );
    return rows[0]?.count ?? 0;
  }

  async optedOut(targetId: string, scope: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query('SELECT 1 FROM email_opt_outs WHERE address_id = $1 AND scope = $2', [targetId, scope]);
    return rowCount !== 0;
  }
}
