-- Up Migration

-- A team's own receivers.
CREATE TABLE webhook_subscriptions (
  id uuid PRIMARY KEY,
  team_id uuid NOT NULL REFERENCES teams (id),
  url text NOT NULL,
  -- Event types; '*' = all of them.
  events text[] NOT NULL,
  -- Null = of every kind.
  kinds text[],
  secret_encrypted text NOT NULL,
  -- Signs beside the current one until then.
  previous_secret_encrypted text,
  previous_valid_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- Set by the owner, or when the receiver answered that it is gone.
  disabled_at timestamptz,
  disabled_reason text
);
CREATE INDEX webhook_subscriptions_team ON webhook_subscriptions (team_id, created_at, id);

-- Whom a resource's own notices go to. Written before the resource is started, so it refers to nothing.
CREATE TABLE resource_notifications (
  resource_id uuid PRIMARY KEY,
  email text,
  secret_encrypted text,
  previous_secret_encrypted text,
  previous_valid_until timestamptz,
  webhook_disabled_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Which members get a team's mail. No row = its owners.
CREATE TABLE team_notification_settings (
  team_id uuid PRIMARY KEY REFERENCES teams (id),
  email_roles text[] NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Who wants no more mail: of a team, or (the nil uuid) of resources without one. The address is kept as its id only.
CREATE TABLE email_opt_outs (
  address_id uuid NOT NULL,
  scope uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (address_id, scope)
);

-- One row for each event and whom it goes to; its id follows from those, so planning twice makes it once.
CREATE TABLE deliveries (
  id uuid PRIMARY KEY,
  event_id uuid NOT NULL REFERENCES resource_events (id),
  resource_id uuid NOT NULL,
  team_id uuid,
  channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
  -- The subscription, the resource (its own webhook), or the id of the address.
  target_id uuid NOT NULL,
  subscription_id uuid REFERENCES webhook_subscriptions (id) ON DELETE CASCADE,
  -- Of mail; forgotten once it is delivered.
  address text,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts integer NOT NULL DEFAULT 0,
  last_status integer,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- When a workflow is (next) started for it, as long as it is pending.
  start_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz
);
CREATE INDEX deliveries_waiting ON deliveries (start_at) WHERE state = 'pending';
CREATE INDEX deliveries_target ON deliveries (target_id, created_at DESC, id DESC);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state <> 'pending';
CREATE INDEX deliveries_subscription ON deliveries (subscription_id, created_at DESC, id DESC) WHERE subscription_id IS NOT NULL;

-- How far into the events deliveries have been planned. What happened before today is told to nobody.
CREATE TABLE notification_cursor (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  event_cursor text NOT NULL
);
INSERT INTO notification_cursor (event_cursor) VALUES (pg_snapshot_xmin(pg_current_snapshot())::text || '-00000000-0000-0000-0000-000000000000');

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_subscriptions, resource_notifications, team_notification_settings, email_opt_outs, deliveries TO leasehold_app;
GRANT SELECT, UPDATE ON notification_cursor TO leasehold_app;

-- Down Migration

DROP TABLE notification_cursor, deliveries, email_opt_outs, team_notification_settings, resource_notifications, webhook_subscriptions;
