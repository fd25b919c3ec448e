-- Up Migration

-- People. The address decides nothing unless somebody vouched for it (`email_verified`), or whoever names another's address first would own it.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL,
  email_verified boolean NOT NULL DEFAULT false,
  platform_operator boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_verified_email ON users (lower(email)) WHERE email_verified;
CREATE INDEX users_email ON users (lower(email));

CREATE TABLE memberships (
  team_id uuid NOT NULL REFERENCES teams (id),
  user_id uuid NOT NULL REFERENCES users (id),
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (team_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id, created_at);

CREATE TABLE invitations (
  id uuid PRIMARY KEY,
  team_id uuid NOT NULL REFERENCES teams (id),
  email text NOT NULL,
  role text NOT NULL CHECK (role IN ('admin', 'member', 'viewer')),
  token_hash text NOT NULL UNIQUE,
  invited_by uuid REFERENCES users (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  accepted_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX invitations_team ON invitations (team_id, created_at DESC);

-- One row a session token; its id is the token's `jti`.
CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  team_id uuid NOT NULL REFERENCES teams (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);

-- Who made a key: with the role of its maker it may do no more than they may. Null = from the configuration.
ALTER TABLE api_keys
  ADD COLUMN created_by uuid REFERENCES users (id),
  ADD COLUMN hint text;

GRANT SELECT, INSERT, UPDATE, DELETE ON users, memberships, invitations, sessions TO leasehold_app;

-- Down Migration

ALTER TABLE api_keys DROP COLUMN created_by, DROP COLUMN hint;
DROP TABLE sessions, invitations, memberships, users;
