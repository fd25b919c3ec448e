-- Up Migration

-- How a queue's backend tells tenants apart; null = the kind's usual way.
ALTER TABLE backends ADD COLUMN auth_mode text;

-- The other backend that something of the resource is on while it is moved: {"phase": "copying" | "leaving", "backendName": "..."}. It takes
-- a slot there.
ALTER TABLE resources ADD COLUMN moving jsonb;
CREATE INDEX resources_moving ON resources ((moving ->> 'backendName')) WHERE moving IS NOT NULL;

-- Down Migration

DROP INDEX resources_moving;
ALTER TABLE resources DROP COLUMN moving;
ALTER TABLE backends DROP COLUMN auth_mode;
