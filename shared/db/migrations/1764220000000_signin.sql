-- Up Migration

-- Who an issuer says somebody is. The subject is the issuer's name for them and never changes; the address may.
CREATE TABLE identities (
  issuer text NOT NULL,
  subject text NOT NULL,
  user_id uuid NOT NULL REFERENCES users (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id);

-- Machines: an issuer's subject that acts as a team. A revoked one stays, so that its token is told from an unknown one.
CREATE TABLE service_accounts (
  id uuid PRIMARY KEY,
  team_id uuid NOT NULL REFERENCES teams (id),
  name text NOT NULL,
  issuer text NOT NULL,
  subject text NOT NULL,
  role text NOT NULL CHECK (role IN ('member', 'viewer')),
  scopes text[] NOT NULL,
  created_by uuid REFERENCES users (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);
-- One subject acts as one team, or whoever binds it second would decide where a machine's data goes.
CREATE UNIQUE INDEX service_accounts_subject ON service_accounts (issuer, subject) WHERE revoked_at IS NULL;
CREATE INDEX service_accounts_team ON service_accounts (team_id, created_at DESC);
CREATE INDEX service_accounts_history ON service_accounts (issuer, subject);

-- Sign-ins of a command line that a person completes elsewhere. Both of its random values are kept as hashes only.
CREATE TABLE cli_sessions (
  session_hash text PRIMARY KEY,
  approval_hash text NOT NULL UNIQUE,
  requested_from text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  anonymous_tokens_encrypted text,
  user_id uuid REFERENCES users (id),
  team_id uuid REFERENCES teams (id),
  completed_at timestamptz,
  claimed_tokens_encrypted text
);
CREATE INDEX cli_sessions_expired ON cli_sessions (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON identities, service_accounts, cli_sessions TO leasehold_app;

-- Down Migration

DROP TABLE cli_sessions, service_accounts, identities;
