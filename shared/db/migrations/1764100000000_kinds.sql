-- Up Migration

-- Machines that run processes for tenants, mirrored from backends.yaml at start; `drained` is an operator's.
CREATE TABLE hosts (
  name text PRIMARY KEY,
  region text NOT NULL,
  -- Where tenants reach its ports.
  address text NOT NULL,
  first_port integer NOT NULL,
  last_port integer NOT NULL CHECK (last_port >= first_port),
  drained boolean NOT NULL DEFAULT false,
  -- Set by the host's worker.
  ready boolean NOT NULL DEFAULT false,
  last_error text,
  checked_at timestamptz
);

-- A port keeps its row when it is free again: the one that has been free for longest is handed out first.
CREATE TABLE host_ports (
  host_name text NOT NULL REFERENCES hosts (name),
  port integer NOT NULL,
  -- Null = free.
  object_name text,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (host_name, port),
  UNIQUE (host_name, object_name)
);

ALTER TABLE backends
  ADD COLUMN host_name text REFERENCES hosts (name),
  ADD COLUMN engine text;

ALTER TABLE resources
  ADD COLUMN host_name text,
  ADD COLUMN options jsonb NOT NULL DEFAULT '{}',
  -- The meter's, not the workflow's; of the day of measured_at (UTC).
  ADD COLUMN commands_today bigint;

-- What a provision decided and clients need to know; never a secret.
CREATE TABLE resource_connections (
  resource_id uuid PRIMARY KEY REFERENCES resources (id),
  details jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- What a provider itself issued for this version: an access key, a signed token.
ALTER TABLE resource_credentials ADD COLUMN issued_encrypted text;

GRANT SELECT, INSERT, UPDATE, DELETE ON hosts, host_ports, resource_connections TO leasehold_app;

-- Down Migration

DROP TABLE resource_connections, host_ports;
ALTER TABLE resource_credentials DROP COLUMN issued_encrypted;
ALTER TABLE resources DROP COLUMN host_name, DROP COLUMN options, DROP COLUMN commands_today;
ALTER TABLE backends DROP COLUMN host_name, DROP COLUMN engine;
DROP TABLE hosts;
