// Who is to hear of an event: a resource's own webhook and address, its team's subscriptions, its team's people.
import type pg from 'pg';
import { addressIdOf, type Channel, deliveryIdOf, NO_TEAM } from './ids';

/** What is worth a mail; webhooks get what they asked for. */
const MAIL_EVENTS: readonly string[] = ['resource.expiring', 'resource.expired', 'resource.suspended', 'resource.deleted'];

interface PlannedRow {
  eventId: string;
  resourceId: string;
  teamId: string | null;
  channel: Channel;
  subscriptionId: string | null;
  address: string | null;
}

export interface DeliveryTarget extends PlannedRow {
  id: string;
  targetId: string;
}

const TARGETS = `
WITH event AS (
  SELECT e.id, e.type, r.id AS resource_id, r.kind, r.team_id, r.notify_webhook
    FROM resource_events e JOIN resources r ON r.id = e.resource_id WHERE e.id = ANY ($1::uuid[])
), target AS (
  SELECT event.id, event.resource_id, event.team_id, 'webhook' AS channel, NULL::uuid AS subscription_id, NULL AS address
    FROM event LEFT JOIN resource_notifications n ON n.resource_id = event.resource_id
   WHERE event.notify_webhook IS NOT NULL AND n.webhook_disabled_at IS NULL
  UNION ALL
  SELECT event.id, event.resource_id, event.team_id, 'webhook', s.id, NULL
    FROM event JOIN webhook_subscriptions s ON s.team_id = event.team_id
   WHERE s.disabled_at IS NULL AND (s.events @> '{*}' OR event.type = ANY (s.events)) AND (s.kinds IS NULL OR event.kind = ANY (s.kinds))
  UNION ALL
  SELECT event.id, event.resource_id, event.team_id, 'email', NULL, n.email
    FROM event JOIN resource_notifications n ON n.resource_id = event.resource_id
   WHERE n.email IS NOT NULL AND event.type = ANY ($2)
  UNION ALL
  SELECT event.id, event.resource_id, event.team_id, 'email', NULL, u.email
    FROM event JOIN memberships m ON m.team_id = event.team_id JOIN users u ON u.id = m.user_id
         LEFT JOIN team_notification_settings t ON t.team_id = event.team_id
   WHERE m.role = ANY (coalesce(t.email_roles, '{owner}')) AND event.type = ANY ($2)
)
SELECT id AS "eventId", resource_id AS "resourceId", team_id AS "teamId", channel, subscription_id AS "subscriptionId", address FROM target`;

/** @param options.mail whether this installation sends any */
export async function planTargets(
  client: pg.Pool | pg.PoolClient,
  eventIds: readonly string[],
  options: { mail: boolean },
): Promise<DeliveryTarget[]> {
  if (eventIds.length === 0) return [];
  const { rows } = await client.query<PlannedRow>({
    name: 'notification-targets',
    text: TARGETS,
    values: [eventIds, options.mail ? MAIL_EVENTS : []],
  });
  const targets = rows.map((row): DeliveryTarget => {
    const targetId = row.subscriptionId ?? (row.address === null ? row.resourceId : addressIdOf(row.address));
    return { ...row, targetId, id: deliveryIdOf(row.eventId, row.channel, targetId) };
  });
  const unwanted = await optOuts(client, targets);
  // Two roles of one person, or an owner's own address on the resource, are one delivery.
  const unique = new Map(targets.map((target) => [target.id, target]));
  return [...unique.values()].filter(({ targetId, teamId }) => !unwanted.has(`${targetId}/${teamId ?? NO_TEAM}`));
}

async function optOuts(client: pg.Pool | pg.PoolClient, targets: readonly DeliveryTarget[]): Promise<ReadonlySet<string>> {
  const addresses = [...new Set(targets.filter(({ channel }) => channel === 'email').map(({ targetId }) => targetId))];
  if (addresses.length === 0) return new Set();
  const { rows } = await client.query<{ address_id: string; scope: string }>(
    'SELECT address_id, scope FROM email_opt_outs WHERE address_id = ANY ($1::uuid[])',
    [addresses],
  );
  return new Set(rows.map(({ address_id, scope }) => `${address_id}/${scope}`));
}

/**
 * Rows for these targets. What is there already stays as it is, unless `again` is set: then it is pending anew (replay).
 * Answers how many are to be sent.
 */
export async function insertDeliveries(
  client: pg.Pool | pg.PoolClient,
  targets: readonly DeliveryTarget[],
  options: { again?: boolean } = {},
): Promise<number> {
  if (targets.length === 0) return 0;
  const onConflict = options.again
    ? `(id) DO UPDATE SET state = 'pending', attempts = 0, start_at = now(), ended_at = NULL, last_error = NULL, last_status = NULL`
    : 'DO NOTHING';
  const column = <T>(pick: (target: DeliveryTarget) => T): T[] => targets.map(pick);
  const { rowCount } = await client.query(
    `INSERT INTO deliveries (id, event_id, resource_id, team_id, channel, target_id, subscription_id, address)
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::text[])
     ON CONFLICT ${onConflict}`,
    [
      column(({ id }) => id),
      column(({ eventId }) => eventId),
      column(({ resourceId }) => resourceId),
      column(({ teamId }) => teamId),
      column(({ channel }) => channel),
      column(({ targetId }) => targetId),
      column(({ subscriptionId }) => subscriptionId),
      column(({ address }) => address),
    ],
  );
  return rowCount ?? 0;
}
