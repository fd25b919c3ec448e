-- Up Migration

-- Which hosts and backends can take resources: the one place that decides it, for placement, readiness and operators alike.
-- A host worker reports every 15 s; one that has been silent for a minute is not there.
CREATE VIEW host_states AS
SELECT h.name, h.region, h.address, h.drained, h.checked_at,
       coalesce(h.ready AND h.checked_at > now() - interval '60 seconds', false) AS ready,
       CASE WHEN h.ready AND h.checked_at <= now() - interval '60 seconds'
            THEN 'its worker has been silent since ' || to_char(h.checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            ELSE h.last_error END AS last_error
  FROM hosts h;

CREATE VIEW backend_states AS
SELECT b.name, b.kind, b.engine, b.region, b.host_name, b.capacity, b.weight, b.server_version, b.checked_at,
       b.drained AS own_drained,
       b.drained OR coalesce(h.drained, false) AS drained,
       b.ready AND coalesce(h.ready, b.host_name IS NULL) AS ready,
       CASE WHEN b.ready AND NOT coalesce(h.ready, b.host_name IS NULL)
            THEN 'host ' || b.host_name || ': ' || coalesce(h.last_error, 'not ready')
            ELSE b.last_error END AS last_error
  FROM backends b LEFT JOIN host_states h ON h.name = b.host_name;

GRANT SELECT ON host_states, backend_states TO leasehold_app;

-- Down Migration

DROP VIEW backend_states;
DROP VIEW host_states;
