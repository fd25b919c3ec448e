-- Up Migration

-- What was not tried against the vendor's own server, in words; null where everything was.
ALTER TABLE backends ADD COLUMN unproven text;

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
       b.listed AND b.ready AND coalesce(h.ready, b.host_name IS NULL) AS ready,
       CASE WHEN NOT b.listed
            THEN (SELECT count(*) FROM resources r WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed'))
                 || ' resources live on it, and ' || b.last_error
            WHEN b.ready AND NOT coalesce(h.ready, b.host_name IS NULL)
            THEN 'host ' || b.host_name || ': ' || coalesce(h.last_error, 'not ready')
            ELSE b.last_error END AS last_error,
       b.listed,
       b.listed OR EXISTS (SELECT FROM resources r WHERE r.backend_name = b.name AND r.status NOT IN ('deleted', 'failed')) AS matters
  FROM backends b LEFT JOIN host_states h ON h.name = b.host_name;
GRANT SELECT ON backend_states TO leasehold_app;
ALTER TABLE backends DROP COLUMN unproven;
