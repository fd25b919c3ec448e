-- Up Migration

-- Requests that carried an Idempotency-Key and their answers, of routes that are not idempotent by their own ids.
-- running: somebody is at it until lease_until, and `fence` is theirs; open: it failed or was refused, and may be tried again; done: answered.
CREATE TABLE idempotent_requests (
  scope text NOT NULL,
  key text NOT NULL,
  route text NOT NULL,
  request_hash text NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'open', 'done')),
  fence uuid NOT NULL,
  lease_until timestamptz NOT NULL,
  status integer,
  -- By the keyring: answers may hold credentials.
  answer_encrypted text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (scope, key),
  CHECK ((state = 'done') = (status IS NOT NULL AND answer_encrypted IS NOT NULL))
);
CREATE INDEX idempotent_requests_expiry ON idempotent_requests (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_requests TO leasehold_app;

-- Down Migration

DROP TABLE idempotent_requests;
