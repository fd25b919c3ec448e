-- Up Migration

-- The role that somebody acted in, who they were, and what they proved it with. `actor_role` held the credential until now.
ALTER TABLE audit_logs
  ADD COLUMN actor_user_id text,
  ADD COLUMN actor_credential text;

-- Pages go by time and id: the id of a transition's line is its event's, which says nothing of time.
DROP INDEX audit_logs_team;
CREATE INDEX audit_logs_team ON audit_logs (team_id, occurred_at DESC, id DESC);
CREATE INDEX audit_logs_time ON audit_logs (occurred_at DESC, id DESC);
CREATE INDEX audit_logs_target ON audit_logs (target_id, occurred_at DESC, id DESC);
CREATE INDEX audit_logs_actor ON audit_logs (actor_id, occurred_at DESC, id DESC);
CREATE INDEX audit_logs_user ON audit_logs (actor_user_id, occurred_at DESC, id DESC) WHERE actor_user_id IS NOT NULL;
CREATE INDEX audit_logs_correlation ON audit_logs (correlation_id);

-- What ends when a member leaves.
CREATE INDEX api_keys_team ON api_keys (team_id, created_at DESC);
CREATE INDEX api_keys_maker ON api_keys (team_id, created_by);
CREATE INDEX sessions_team ON sessions (team_id, user_id);

-- Down Migration

DROP INDEX sessions_team, api_keys_maker, api_keys_team, audit_logs_correlation, audit_logs_user, audit_logs_actor, audit_logs_target,
  audit_logs_time, audit_logs_team;
CREATE INDEX audit_logs_team ON audit_logs (team_id, occurred_at DESC);
ALTER TABLE audit_logs DROP COLUMN actor_user_id, DROP COLUMN actor_credential;
