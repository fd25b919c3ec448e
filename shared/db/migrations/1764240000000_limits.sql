-- Up Migration

-- Counts while there is no Redis. The columns are rate-limiter-flexible's. Lost in a crash, and worth no write-ahead log.
CREATE UNLOGGED TABLE rate_limits (
  key varchar(255) PRIMARY KEY,
  points integer NOT NULL DEFAULT 0,
  expire bigint
);
CREATE INDEX rate_limits_expire ON rate_limits (expire);

-- Figures in place of those of plans.yaml. scope: global, team/<id> or fingerprint/<hash>.
CREATE TABLE policies (
  scope text NOT NULL CHECK (scope ~ '^(global|team/[0-9a-f-]{36}|fingerprint/[0-9a-f]{64})$'),
  key text NOT NULL,
  value bigint NOT NULL CHECK (value >= -1),
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by text NOT NULL,
  PRIMARY KEY (scope, key)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits, policies TO leasehold_app;

-- Down Migration

DROP TABLE policies, rate_limits;
