-- Up Migration

-- W3C trace context of the call that a transition belongs to; travels in the message's headers.
ALTER TABLE outbox_events ADD COLUMN traceparent text;

CREATE INDEX outbox_events_due ON outbox_events (recorded_xid, id) WHERE published_at IS NULL AND dead_lettered_at IS NULL;
CREATE INDEX outbox_events_published ON outbox_events (published_at) WHERE published_at IS NOT NULL;

-- Relays that run, or ran lately: each writes its row every few seconds and takes it away when it stops.
CREATE TABLE outbox_relays (
  name text PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT now(),
  beat_at timestamptz NOT NULL DEFAULT now(),
  -- `off`: no broker is configured, and nothing is published.
  broker text NOT NULL CHECK (broker IN ('connected', 'away', 'off')),
  last_error text
);

GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_relays TO leasehold_app;

-- Down Migration

DROP TABLE outbox_relays;
DROP INDEX outbox_events_due, outbox_events_published;
ALTER TABLE outbox_events DROP COLUMN traceparent;
