// Who is told what: subscriptions, a resource's own address and secret, settings, and what became of deliveries.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { TeamRole } from '../../shared/authz';
import type { Keyring } from '../../shared/crypto';
import { withTransaction } from '../../shared/db';
import {
  insertDeliveries,
  newWebhookSecret,
  openWebhookSecret,
  planTargets,
  resourceSecretOwner,
  sealWebhookSecret,
  subscriptionSecretOwner,
} from '../../shared/notification';
import { currentEventCursor, type EventPage, readEventsAfter } from '../../shared/outbox';
import type { ResourceKind } from '../../shared/resourcetype';

export interface Subscription {
  id: string;
  team_id: string;
  url: string;
  events: string[];
  kinds: ResourceKind[] | null;
  created_at: Date;
  updated_at: Date;
  disabled_at: Date | null;
  disabled_reason: string | null;
}

export interface SubscriptionFields {
  url: string;
  events: string[];
  kinds: ResourceKind[] | null;
}

export interface Delivery {
  id: string;
  event_id: string;
  event_type: string;
  resource_id: string;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  created_at: Date;
  ended_at: Date | null;
  /** `created_at` with all its digits, for keyset pages. */
  created_key: string;
}

export interface DeliveryFilter {
  state?: Delivery['state'];
  limit: number;
  after: { createdKey: string; id: string } | null;
}

export interface NotificationStore {
  /** Before the resource is started; what is there already stays. */
  keepTargets(resourceId: string, targets: { email: string | null; webhook: boolean }): Promise<void>;
  /** Null where it has none. */
  resourceSecret(resourceId: string): Promise<string | null>;
  /** The former one goes on signing for `overlapMs`. */
  rotateResourceSecret(resourceId: string, overlapMs: number): Promise<string>;

  listSubscriptions(teamId: string): Promise<Subscription[]>;
  findSubscription(teamId: string, id: string): Promise<Subscription | null>;
  /** Null when the team has `maximum` already. */
  createSubscription(
    teamId: string,
    fields: SubscriptionFields,
    maximum: number,
  ): Promise<{ subscription: Subscription; secret: string } | null>;
  updateSubscription(
    teamId: string,
    id: string,
    changes: Partial<SubscriptionFields> & { enabled?: boolean },
  ): Promise<Subscription | null>;
  removeSubscription(teamId: string, id: string): Promise<boolean>;
  rotateSubscriptionSecret(teamId: string, id: string, overlapMs: number): Promise<string | null>;

  deliveries(subscriptionId: string, filter: DeliveryFilter): Promise<Delivery[]>;
  /** Null when the subscription has no such delivery. One that is under way stays so. */
  retryDelivery(subscriptionId: string, deliveryId: string): Promise<Delivery | null>;
  /** Sends again what the team's resources did after the cursor. @throws InvalidEventCursor */
  replay(subscription: Subscription, cursor: string | null, limit: number): Promise<{ queued: number; page: EventPage }>;

  emailRoles(teamId: string): Promise<TeamRole[]>;
  setEmailRoles(teamId: string, roles: TeamRole[]): Promise<void>;
  optOut(addressId: string, scope: string): Promise<void>;

  /** @throws InvalidEventCursor */
  teamEvents(teamId: string, cursor: string | null, limit: number): Promise<EventPage>;
  currentCursor(): Promise<string>;
}

const SUBSCRIPTION = 'id, team_id, url, events, kinds, created_at, updated_at, disabled_at, disabled_reason';
const DELIVERY = `d.id, d.event_id, e.type AS event_type, d.resource_id, d.state, d.attempts, d.last_status, d.last_error, d.created_at, d.ended_at,
  to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_key`;
const DEFAULT_ROLES: TeamRole[] = ['owner'];

export class PgNotificationStore implements NotificationStore {
  readonly #pool: pg.Pool;
  readonly #keyring: Keyring;

  constructor({ pool, keyring }: { pool: pg.Pool; keyring: Keyring }) {
    this.#pool = pool;
    this.#keyring = keyring;
  }

  async keepTargets(resourceId: string, { email, webhook }: { email: string | null; webhook: boolean }): Promise<void> {
    const secret = webhook ? sealWebhookSecret(this.#keyring, newWebhookSecret(), resourceSecretOwner(resourceId)) : null;
    await this.#pool.query(
      'INSERT INTO resource_notifications (resource_id, email, secret_encrypted) VALUES ($1, $2, $3) ON CONFLICT (resource_id) DO NOTHING',
      [resourceId, email, secret],
    );
  }

  async resourceSecret(resourceId: string): Promise<string | null> {
    const { rows } = await this.#pool.query<{ secret_encrypted: string | null }>(
      'SELECT secret_encrypted FROM resource_notifications WHERE resource_id = $1',
      [resourceId],
    );
    const sealed = rows[0]?.secret_encrypted ?? null;
    return sealed === null ? null : openWebhookSecret(this.#keyring, sealed, resourceSecretOwner(resourceId));
  }

  async rotateResourceSecret(resourceId: string, overlapMs: number): Promise<string> {
    const secret = newWebhookSecret();
    await this.#pool.query(
      `INSERT INTO resource_notifications AS known (resource_id, secret_encrypted) VALUES ($1, $2)
       ON CONFLICT (resource_id) DO UPDATE SET secret_encrypted = excluded.secret_encrypted, webhook_disabled_at = NULL,
          previous_secret_encrypted = known.secret_encrypted, previous_valid_until = now() + $3 * interval '1 millisecond'`,
      [resourceId, sealWebhookSecret(this.#keyring, secret, resourceSecretOwner(resourceId)), overlapMs],
    );
    return secret;
  }

  async listSubscriptions(teamId: string): Promise<Subscription[]> {
    const { rows } = await this.#pool.query<Subscription>(
      `SELECT ${SUBSCRIPTION} FROM webhook_subscriptions WHERE team_id = $1 ORDER BY created_at, id`,
      [teamId],
    );
    return rows;
  }

  async findSubscription(teamId: string, id: string): Promise<Subscription | null> {
    const { rows } = await this.#pool.query<Subscription>(
      `SELECT ${SUBSCRIPTION} FROM webhook_subscriptions WHERE team_id = $1 AND id = $2`,
      [teamId, id],
    );
    return rows[0] ?? null;
  }

  async createSubscription(teamId: string, fields: SubscriptionFields, maximum: number) {
    const id = uuidv7();
    const secret = newWebhookSecret();
    return await withTransaction(this.#pool, async (client) => {
      // Two at once must not both be the last.
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`subscriptions/${teamId}`]);
      const { rows } = await client.query<Subscription>(
        `INSERT INTO webhook_subscriptions (id, team_id, url, events, kinds, secret_encrypted)
         SELECT $1, $2::uuid, $3, $4, $5, $6 WHERE (SELECT count(*) FROM webhook_subscriptions WHERE team_id = $2::uuid) < $7
         RETURNING ${SUBSCRIPTION}`,
        [
          id,
          teamId,
          fields.url,
          fields.events,
          fields.kinds,
          sealWebhookSecret(this.#keyring, secret, subscriptionSecretOwner(id)),
          maximum,
        ],
      );
      return rows[0] === undefined ? null : { subscription: rows[0], secret };
    });
  }

  async updateSubscription(
    teamId: string,
    id: string,
    { url, events, kinds, enabled }: Partial<SubscriptionFields> & { enabled?: boolean },
  ): Promise<Subscription | null> {
    const { rows } = await this.#pool.query<Subscription>(
      `UPDATE webhook_subscriptions
          SET url = coalesce($3, url), events = coalesce($4, events), kinds = CASE WHEN $5 THEN $6::text[] ELSE kinds END, updated_at = now(),
              disabled_at = CASE WHEN $7::boolean IS NULL THEN disabled_at WHEN $7 THEN NULL ELSE coalesce(disabled_at, now()) END,
              disabled_reason = CASE WHEN $7::boolean IS NULL THEN disabled_reason WHEN $7 THEN NULL ELSE coalesce(disabled_reason, 'by the team') END
        WHERE team_id = $1 AND id = $2 RETURNING ${SUBSCRIPTION}`,
      [teamId, id, url ?? null, events ?? null, kinds !== undefined, kinds ?? null, enabled ?? null],
    );
    return rows[0] ?? null;
  }

  async removeSubscription(teamId: string, id: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query('DELETE FROM webhook_subscriptions WHERE team_id = $1 AND id = $2', [teamId, id]);
    return rowCount === 1;
  }

  async rotateSubscriptionSecret(teamId: string, id: string, overlapMs: number): Promise<string | null> {
    const secret = newWebhookSecret();
    const { rowCount } = await this.#pool.query(
      `UPDATE webhook_subscriptions SET previous_secret_encrypted = secret_encrypted, secret_encrypted = $3, updated_at = now(),
              previous_valid_until = now() + $4 * interval '1 millisecond'
        WHERE team_id = $1 AND id = $2`,
      [teamId, id, sealWebhookSecret(this.#keyring, secret, subscriptionSecretOwner(id)), overlapMs],
    );
    return rowCount === 1 ? secret : null;
  }

  async deliveries(subscriptionId: string, { state, limit, after }: DeliveryFilter): Promise<Delivery[]> {
    const { rows } = await this.#pool.query<Delivery>(
      `SELECT ${DELIVERY} FROM deliveries d JOIN resource_events e ON e.id = d.event_id
        WHERE d.subscription_id = $1 AND ($2::text IS NULL OR d.state = $2)
          AND ($3::timestamptz IS NULL OR (d.created_at, d.id) < ($3::timestamptz, $4::uuid))
        ORDER BY d.created_at DESC, d.id DESC LIMIT $5`,
      [subscriptionId, state ?? null, after?.createdKey ?? null, after?.id ?? null, limit],
    );
    return rows;
  }

  async retryDelivery(subscriptionId: string, deliveryId: string): Promise<Delivery | null> {
    await this.#pool.query(
      `UPDATE deliveries SET state = 'pending', attempts = 0, start_at = now(), ended_at = NULL
        WHERE id = $2 AND subscription_id = $1 AND state <> 'pending'`,
      [subscriptionId, deliveryId],
    );
    const { rows } = await this.#pool.query<Delivery>(
      `SELECT ${DELIVERY} FROM deliveries d JOIN resource_events e ON e.id = d.event_id WHERE d.subscription_id = $1 AND d.id = $2`,
      [subscriptionId, deliveryId],
    );
    return rows[0] ?? null;
  }

  async replay(subscription: Subscription, cursor: string | null, limit: number): Promise<{ queued: number; page: EventPage }> {
    const page = await this.teamEvents(subscription.team_id, cursor, limit);
    const targets = await planTargets(
      this.#pool,
      page.events.map(({ id }) => id),
      { mail: false },
    );
    const mine = targets.filter(({ subscriptionId }) => subscriptionId === subscription.id);
    return { queued: await insertDeliveries(this.#pool, mine, { again: true }), page };
  }

  async emailRoles(teamId: string): Promise<TeamRole[]> {
    const { rows } = await this.#pool.query<{ email_roles: TeamRole[] }>(
      'SELECT email_roles FROM team_notification_settings WHERE team_id = $1',
      [teamId],
    );
    return rows[0]?.email_roles ?? DEFAULT_ROLES;
  }

  async setEmailRoles(teamId: string, roles: TeamRole[]): Promise<void> {
    await this.#pool.query(
      `INSERT INTO team_notification_settings (team_id, email_roles) VALUES ($1, $2)
       ON CONFLICT (team_id) DO UPDATE SET email_roles = excluded.email_roles, updated_at = now()`,
      [teamId, roles],
    );
  }

  async optOut(addressId: string, scope: string): Promise<void> {
    await this.#pool.query('INSERT INTO email_opt_outs (address_id, scope) VALUES ($1, $2) ON CONFLICT DO NOTHING', [addressId, scope]);
  }

  teamEvents(teamId: string, cursor: string | null, limit: number): Promise<EventPage> {
    return readEventsAfter(this.#pool, cursor, { scope: { type: 'team', teamId }, limit });
  }

  currentCursor(): Promise<string> {
    return currentEventCursor(this.#pool);
  }
}
