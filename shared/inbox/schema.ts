// Makes the inbox's database, its tables and the one role that uses them. Done by the worker, with the tenants' server's admin url.
import pg from 'pg';
import { scramSha256Verifier } from '../crypto';
import { inboxLimits } from './limits';

/** Every tenant's login role is in it, and pg_hba.conf lets its members in where their own role's name is the database's. */
const TENANTS_GROUP = 'leasehold_tenants';
const NAME = /^[a-z][a-z0-9_]{0,50}$/;
/** What tables of before there were these figures hold. */
export const { maxBodyBytes: BODY_BYTES, maxBytesPerMinute: BYTES_PER_MINUTE } = inboxLimits({});
const INHERIT_OPTION_VERSION = 160_000;
const LOCK = "hashtextextended('leasehold/inbox/prepare', 0)";

/** @throws Error that says what is wrong with the url, without it */
export function inboxDatabaseOf(inboxUrl: string): { name: string; password: string } {
  const broken = (what: string) => new Error(`LEASEHOLD_INBOX_URL ${what}`);
  if (!URL.canParse(inboxUrl)) throw broken('is not a URL');
  const url = new URL(inboxUrl);
  const name = decodeURIComponent(url.username);
  if (!NAME.test(name) || name === 'postgres' || url.pathname !== `/${name}`) {
    throw broken('must name a role and a database of the same name, such as leasehold_inbox: pg_hba.conf lets it in by that');
  }
  if (url.password === '') throw broken('holds no password');
  return { name, password: decodeURIComponent(url.password) };
}

/** Safe to repeat and to run twice at once. */
export async function prepareInboxDatabase(options: { adminUrl: string; inboxUrl: string }): Promise<void> {
  const { name, password } = inboxDatabaseOf(options.inboxUrl);
  const verifier = await scramSha256Verifier(password);
  await withAdmin(options.adminUrl, 'postgres', async (admin) => {
    await admin.query(`SELECT pg_advisory_lock(${LOCK})`);
    const { rows } = await admin.query<{ version: number; role: boolean; database: boolean }>(
      `SELECT current_setting('server_version_num')::int AS version, EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role,
              EXISTS (SELECT FROM pg_database WHERE datname = $1) AS database`,
      [name],
    );
    const known = rows[0];
    if (!known?.database) await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    const noRights = (known?.version ?? 0) >= INHERIT_OPTION_VERSION ? ' WITH INHERIT FALSE, SET FALSE' : '';
    await admin.query(`
      DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${TENANTS_GROUP}') THEN CREATE ROLE ${TENANTS_GROUP} NOLOGIN; END IF;
      END $$;
      REVOKE ALL ON DATABASE ${name} FROM PUBLIC;
      ${known?.role ? 'ALTER' : 'CREATE'} ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '${verifier}';
      GRANT CONNECT ON DATABASE ${name} TO ${name};
      GRANT ${TENANTS_GROUP} TO ${name}${noRights}`);
  });
  await withAdmin(options.adminUrl, name, (admin) => admin.query(`SELECT pg_advisory_xact_lock(${LOCK}); ${tables(name)}`));
}

/** The role reads and writes rows; the tables are the admin's. */
function tables(role: string): string {
  return `
    CREATE TABLE IF NOT EXISTS public.inboxes (
      object_name text PRIMARY KEY,
      open boolean NOT NULL,
      read_only boolean NOT NULL DEFAULT false,
      max_requests integer NOT NULL,
      max_bytes bigint NOT NULL,
      max_body_bytes integer NOT NULL DEFAULT ${BODY_BYTES},
      max_bytes_per_minute bigint NOT NULL DEFAULT ${BYTES_PER_MINUTE},
      stored_requests integer NOT NULL DEFAULT 0,
      stored_bytes bigint NOT NULL DEFAULT 0,
      -- Whether anything of it may be in Redis.
      uses_redis boolean NOT NULL DEFAULT false,
      signature jsonb,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    -- For tables of before there were these. Asked first, or each start would wait for every request that is being stored.
    DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.inboxes'::regclass AND attname = 'max_body_bytes') THEN
        ALTER TABLE public.inboxes ADD COLUMN max_body_bytes integer NOT NULL DEFAULT ${BODY_BYTES},
          ADD COLUMN max_bytes_per_minute bigint NOT NULL DEFAULT ${BYTES_PER_MINUTE};
      END IF;
    END $$;
    CREATE TABLE IF NOT EXISTS public.inbox_tokens (
      token_hash text PRIMARY KEY,
      object_name text NOT NULL REFERENCES public.inboxes ON DELETE CASCADE,
      version integer NOT NULL,
      sealed_secret text,
      UNIQUE (object_name, version)
    );
    -- So that a sender with an old url is told that it is over, and not that it never was.
    CREATE TABLE IF NOT EXISTS public.retired_tokens (
      token_hash text PRIMARY KEY,
      retired_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS retired_tokens_retired_at ON public.retired_tokens (retired_at);
    CREATE TABLE IF NOT EXISTS public.requests (
      object_name text NOT NULL REFERENCES public.inboxes ON DELETE CASCADE,
      id uuid NOT NULL,
      received_at timestamptz NOT NULL,
      method text NOT NULL,
      path text NOT NULL,
      query text NOT NULL,
      headers json NOT NULL,
      body bytea NOT NULL,
      cost_bytes integer NOT NULL,
      PRIMARY KEY (object_name, id)
    );
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.inboxes, public.inbox_tokens, public.retired_tokens, public.requests TO ${role}`;
}

async function withAdmin<T>(adminUrl: string, database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  const client = new pg.Client({
    connectionString: url.href,
    application_name: 'leasehold-inbox-prepare',
    connectionTimeoutMillis: 5_000,
    statement_timeout: 30_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
