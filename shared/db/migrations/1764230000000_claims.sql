-- Up Migration

-- The hash of the handle that claim links carry; the handle opens the claim and nothing else. Null in rows from before there were any.
ALTER TABLE resources ADD COLUMN claim_hash text UNIQUE;

-- Down Migration

ALTER TABLE resources DROP COLUMN claim_hash;
