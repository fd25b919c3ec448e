-- Up Migration

ALTER TABLE backends
  -- False for one that was there and is not configured any more. It stays while anything refers to it, and is nobody's concern once no
  -- resource lives on it.
  ADD COLUMN listed boolean NOT NULL DEFAULT true,
  -- How a queue's backend tells tenants apart; null = the kind's usual way.
  ADD COLUMN auth_mode text,
  -- What was not tried against the vendor's own server, in words; null where everything was.
  ADD COLUMN unproven text;

-- The other backend that something of the resource is on while it is moved: {"phase": "copying" | "leaving", "backendName": "..."}. It takes
-- a slot there.
ALTER TABLE resources ADD COLUMN moving jsonb;
CREATE INDEX resources_moving ON resources ((moving ->> 'backendName')) WHERE moving IS NOT NULL;

CREATE OR REPLACE VIEW backend_states AS
SELECT b.name, b.kind, b.engine, b.region, b.host_name, b.capacity, b.weight, b.server_version, b.checked_at,
       b.drained AS own_drained,
       b.drained OR coalesce(h.drained, false) AS drained,
       b.listed AND b.ready AND coalesce(h.ready, b.host_name IS NULL) AS ready,
       CASE WHEN NOT b.listed
            THEN (SELECT count(*) FROM resources r WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed'))
                 || ' resources live on it, and ' || b.last_error
            WHEN b.ready AND NOT coalesce(h.ready, b.host_name IS NULL)
            THEN 'host ' || b.host_name || ': ' || coalesce(h.last_error, 'not ready')
            ELSE b.last_error END AS last_error,
       b.listed,
       b.listed OR EXISTS (SELECT FROM resources r WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed')) AS matters,
       b.unproven
  FROM backends b LEFT JOIN host_states h ON h.name = b.host_name;

-- Down Migration

DROP VIEW backend_states;
CREATE VIEW backend_states AS
SELECT b.name, b.kind, b.engine, b.region, b.host_name, b.capacity, b.weight, b.server_version, b.checked_at,
       b.drained AS own_drained,
       b.drained OR coalesce(h.drained, false) AS drained,
       b.ready AND coalesce(h.ready, b.host_name IS NULL) AS ready,
       CASE WHEN b.ready AND NOT coalesce(h.ready, b.host_name IS NULL)
            THEN 'host ' || b.host_name || ': ' || coalesce(h.last_error, 'not ready')
            ELSE b.last_error END AS last_error
  FROM backends b LEFT JOIN host_states h ON h.name = b.host_name;
GRANT SELECT ON backend_states TO leasehold_app;
DROP INDEX resources_moving;
ALTER TABLE resources DROP COLUMN moving;
ALTER TABLE backends DROP COLUMN unproven, DROP COLUMN auth_mode, DROP COLUMN listed;
