-- Up Migration

-- The platform's bookkeeping. leasehold_app is the role that the processes connect as; it owns nothing.

CREATE TABLE installation (
  id text PRIMARY KEY CHECK (id ~ '^[a-z2-7]{8}$'),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE teams (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  tier text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  team_id uuid NOT NULL REFERENCES teams (id),
  name text NOT NULL,
  key_hash text NOT NULL UNIQUE,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);

-- Servers that resources may be placed on, mirrored from backends.yaml at start; `drained` is an operator's.
CREATE TABLE backends (
  name text PRIMARY KEY,
  kind text NOT NULL,
  region text NOT NULL,
  capacity integer NOT NULL,
  weight integer NOT NULL DEFAULT 1,
  drained boolean NOT NULL DEFAULT false,
  -- Set by the worker's probe; a kind without a ready backend answers 503 service_disabled.
  ready boolean NOT NULL DEFAULT false,
  server_version text,
  last_error text,
  checked_at timestamptz
);

CREATE TABLE resources (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  name text NOT NULL,
  env text NOT NULL,
  labels jsonb NOT NULL DEFAULT '{}',
  team_id uuid REFERENCES teams (id),
  owner_fingerprint text,
  owner_address_hash text,
  tier text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'active', 'paused', 'suspended', 'expired', 'deleting', 'delete_failed', 'deleted', 'failed')),
  revision integer NOT NULL,
  generation integer NOT NULL,
  owner_run text NOT NULL,
  backend_name text NOT NULL REFERENCES backends (name),
  object_name text NOT NULL UNIQUE,
  from_pool boolean NOT NULL DEFAULT false,
  token_hash text NOT NULL UNIQUE,
  token_encrypted text NOT NULL,
  policy jsonb NOT NULL,
  limits jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  covered_ms bigint,
  paused_by_owner boolean NOT NULL DEFAULT false,
  paused_at timestamptz,
  suspended_reason text,
  read_only_by_quota boolean NOT NULL DEFAULT false,
  credential_version integer NOT NULL DEFAULT 1,
  retiring_version integer,
  retiring_until timestamptz,
  parent_resource_id uuid,
  notify_webhook text,
  failure_code text,
  failure_message text,
  -- The meter's, not the workflow's.
  storage_bytes bigint NOT NULL DEFAULT 0,
  measured_at timestamptz,
  CHECK ((team_id IS NULL) <> (owner_fingerprint IS NULL))
);
CREATE INDEX resources_team ON resources (team_id, created_at DESC, id DESC) WHERE team_id IS NOT NULL;
CREATE INDEX resources_anonymous ON resources (owner_fingerprint, created_at DESC) WHERE team_id IS NULL;
CREATE INDEX resources_live ON resources (backend_name) WHERE status NOT IN ('deleted', 'failed');

-- Names that were used once are never ours to hand out again; the sweep knows an orphan by them.
CREATE TABLE retired_names (
  object_name text PRIMARY KEY,
  backend_name text NOT NULL,
  resource_id uuid,
  retired_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE resource_credentials (
  resource_id uuid NOT NULL REFERENCES resources (id),
  version integer NOT NULL,
  username text NOT NULL,
  password_encrypted text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (resource_id, version)
);

CREATE TABLE resource_events (
  id uuid PRIMARY KEY,
  resource_id uuid NOT NULL REFERENCES resources (id),
  revision integer NOT NULL,
  type text NOT NULL,
  status text NOT NULL,
  data jsonb NOT NULL,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  request_id text,
  occurred_at timestamptz NOT NULL,
  recorded_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  UNIQUE (resource_id, revision)
);
CREATE INDEX resource_events_stream ON resource_events (recorded_xid, id);

CREATE TABLE outbox_events (
  id uuid PRIMARY KEY,
  resource_id uuid NOT NULL,
  revision integer NOT NULL,
  type text NOT NULL,
  payload jsonb NOT NULL,
  recorded_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  dead_lettered_at timestamptz,
  last_error text
);
CREATE INDEX outbox_events_waiting ON outbox_events (resource_id, revision) WHERE published_at IS NULL;

CREATE TABLE audit_logs (
  id uuid PRIMARY KEY,
  occurred_at timestamptz NOT NULL,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  actor_role text,
  action text NOT NULL,
  target_type text NOT NULL,
  target_id text NOT NULL,
  team_id uuid,
  result text NOT NULL CHECK (result IN ('success', 'denied', 'failure')),
  correlation_id text,
  ip text,
  data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_logs_team ON audit_logs (team_id, occurred_at DESC);

CREATE TABLE idempotency_keys (
  scope text NOT NULL,
  key text NOT NULL,
  generation integer NOT NULL,
  request_hash text NOT NULL,
  resource_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, key, generation)
);

-- One row a caller and day; counted under its own lock.
CREATE TABLE provision_counts (
  fingerprint text NOT NULL,
  day date NOT NULL,
  count integer NOT NULL,
  PRIMARY KEY (fingerprint, day)
);

CREATE TABLE usage_samples (
  resource_id uuid NOT NULL,
  measured_at timestamptz NOT NULL,
  metric text NOT NULL,
  value bigint NOT NULL,
  PRIMARY KEY (resource_id, metric, measured_at)
);

-- Warm items: made ahead, without a password until claimed, never given back.
CREATE TABLE pool_items (
  object_name text PRIMARY KEY,
  backend_name text NOT NULL REFERENCES backends (name),
  kind text NOT NULL,
  template text NOT NULL,
  server_version text NOT NULL,
  state text NOT NULL CHECK (state IN ('creating', 'ready', 'claimed', 'destroying')),
  claimed_by uuid UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  claimed_at timestamptz
);
CREATE INDEX pool_items_ready ON pool_items (backend_name, created_at) WHERE state = 'ready';

-- What the sweep saw on a backend and could not place; acted on when seen again ten minutes later.
CREATE TABLE orphan_sightings (
  backend_name text NOT NULL,
  object_name text NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  PRIMARY KEY (backend_name, object_name)
);

GRANT USAGE ON SCHEMA public TO leasehold_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON installation, teams, api_keys, backends, resources, retired_names, resource_credentials,
  outbox_events, idempotency_keys, provision_counts, usage_samples, pool_items, orphan_sightings TO leasehold_app;
GRANT SELECT, INSERT ON resource_events, audit_logs TO leasehold_app;

-- Down Migration

DROP TABLE orphan_sightings, pool_items, usage_samples, provision_counts, idempotency_keys, audit_logs, outbox_events, resource_events,
  resource_credentials, retired_names, resources, backends, api_keys, teams, installation;
