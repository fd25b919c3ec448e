// What a tenant may try in SQL from inside its own database. The server must answer each with an error.

export interface Names {
  attacker: string;
  victim: string;
  host: string;
  port: string;
}

export interface Attack {
  name: string;
  sql: (names: Names) => string;
  /** The SQLSTATE of the refusal; default 42501, insufficient privilege: an attack that fails for another reason proves nothing. */
  code?: RegExp;
}

export const STATEMENTS: Attack[] = [
  // Extensions that reach out of the database, or run code outside it.
  ...['dblink', 'postgres_fdw', 'file_fdw', 'pg_stat_statements', 'amcheck', 'pageinspect', 'adminpack', 'plpython3u', 'plperlu'].map(
    // 0A000: this server does not even have it.
    (extension) => ({ name: `extension ${extension}`, sql: () => `CREATE EXTENSION ${extension}`, code: /^(42501|0A000)$/ }),
  ),
  { name: 'a function in C', sql: () => "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'system'" },
  { name: 'a function in internal', sql: () => "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_backend_pid'" },
  { name: 'load a library', sql: () => "LOAD '/tmp/evil.so'" },

  // Secrets and neighbours.
  { name: 'read pg_authid', sql: () => 'SELECT rolpassword FROM pg_authid' },
  { name: 'read pg_shadow', sql: () => 'SELECT passwd FROM pg_shadow' },
  { name: 'read role settings with secrets', sql: () => 'SELECT * FROM pg_hba_file_rules' },
  { name: "the victim's size", sql: ({ victim }) => `SELECT pg_database_size('${victim}')` },
  {
    name: "end the platform's sessions",
    sql: () => `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'checkpointer'
      UNION ALL SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = 10`,
  },
  { name: 'drop the database of the victim', sql: ({ victim }) => `DROP DATABASE "${victim}"` },
  { name: "change the victim's login role", sql: ({ victim }) => `ALTER ROLE "${victim}_1" PASSWORD 'x'` },
  { name: "comment on the victim's database", sql: ({ victim }) => `COMMENT ON DATABASE "${victim}" IS 'x'` },
  { name: "give the victim's objects away", sql: ({ victim }) => `REASSIGN OWNED BY "${victim}" TO current_user` },
  { name: "drop the victim's objects", sql: ({ victim }) => `DROP OWNED BY "${victim}"` },

  // Becoming somebody else.
  { name: 'set role to the victim', sql: ({ victim }) => `SET ROLE "${victim}"` },
  { name: 'set role to the admin', sql: () => "SELECT set_config('role', (SELECT rolname FROM pg_roles WHERE oid = 10), false)" },
  { name: 'set session authorization', sql: ({ victim }) => `SET SESSION AUTHORIZATION "${victim}_1"` },
  { name: 'join the victim', sql: ({ attacker, victim }) => `GRANT "${victim}" TO "${attacker}_1"` },
  { name: 'join pg_read_server_files', sql: ({ attacker }) => `GRANT pg_read_server_files TO "${attacker}_1"` },
  { name: 'let the victim into its own role', sql: ({ attacker, victim }) => `GRANT "${attacker}" TO "${victim}_1"` },
  { name: 'create a role', sql: () => 'CREATE ROLE another LOGIN' },
  { name: 'rename its login role', sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" RENAME TO another`, code: /^(42501|0A000)$/ },
  { name: 'rename the sibling login role', sql: ({ attacker }) => `ALTER ROLE "${attacker}_2" RENAME TO another` },
  { name: 'become superuser', sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" SUPERUSER` },
  { name: 'bypass row security', sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" BYPASSRLS` },
  { name: 'replicate', sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" REPLICATION` },
  { name: "change the sibling login role's password", sql: ({ attacker }) => `ALTER ROLE "${attacker}_2" PASSWORD 'x'` },
  { name: "change the sibling login role's settings", sql: ({ attacker }) => `ALTER ROLE "${attacker}_2" RESET role` },
  { name: 'drop the sibling login role', sql: ({ attacker }) => `DROP ROLE "${attacker}_2"` },
  { name: 'log the owner role in', sql: ({ attacker }) => `ALTER ROLE "${attacker}" LOGIN PASSWORD 'x'` },

  // Its own limits.
  { name: "raise the login role's limit", sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" CONNECTION LIMIT 100` },
  { name: "raise the database's limit", sql: ({ attacker }) => `ALTER DATABASE "${attacker}" CONNECTION LIMIT 100` },
  { name: 'raise temp_file_limit', sql: () => 'SET temp_file_limit = -1' },
  { name: 'raise temp_file_limit for its role', sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" SET temp_file_limit = -1` },
  { name: 'reset temp_file_limit of its role', sql: ({ attacker }) => `ALTER ROLE "${attacker}_1" RESET temp_file_limit` },
  { name: "change the database's settings", sql: ({ attacker }) => `ALTER DATABASE "${attacker}" SET search_path = public` },
  { name: 'settings for all roles', sql: ({ attacker }) => `ALTER ROLE ALL IN DATABASE "${attacker}" SET work_mem = '1GB'` },
  { name: 'rename its database', sql: ({ attacker }) => `ALTER DATABASE "${attacker}" RENAME TO another` },
  { name: 'own its database', sql: ({ attacker }) => `ALTER DATABASE "${attacker}" OWNER TO "${attacker}"` },
  { name: 'create a database', sql: () => 'CREATE DATABASE another' },
  { name: 'log no statements', sql: () => "SET log_statement = 'none'" },

  // The server and its files.
  { name: 'ALTER SYSTEM', sql: () => "ALTER SYSTEM SET work_mem = '1GB'" },
  { name: 'reload the configuration', sql: () => 'SELECT pg_reload_conf()' },
  { name: 'COPY to a program', sql: () => "COPY (SELECT 1) TO PROGRAM 'id'" },
  { name: 'COPY from a program', sql: () => "CREATE TABLE t (l text); COPY t FROM PROGRAM 'id'" },
  { name: 'COPY from a file', sql: () => "CREATE TABLE t (l text); COPY t FROM '/etc/passwd'" },
  { name: 'COPY to a file', sql: () => "COPY (SELECT 1) TO '/tmp/out'" },
  { name: 'pg_read_file', sql: () => "SELECT pg_read_file('/etc/passwd')" },
  { name: 'pg_ls_dir', sql: () => "SELECT pg_ls_dir('.')" },
  { name: 'lo_import', sql: () => "SELECT lo_import('/etc/passwd')" },
  { name: 'lo_export', sql: () => "SELECT lo_export(lo_create(0), '/tmp/out')" },
  { name: 'where the data is', sql: () => "SELECT pg_read_file(current_setting('data_directory') || '/pg_hba.conf')" },
  { name: 'a tablespace', sql: () => "CREATE TABLESPACE t LOCATION '/tmp'" },
  { name: 'a checkpoint', sql: () => 'CHECKPOINT' },

  // What would see or stop everything.
  { name: 'a publication for all tables', sql: () => 'CREATE PUBLICATION p FOR ALL TABLES' },
  { name: 'a subscription', sql: ({ host, port }) => `CREATE SUBSCRIPTION s CONNECTION 'host=${host} port=${port}' PUBLICATION p` },
  { name: 'a replication slot', sql: () => "SELECT pg_create_physical_replication_slot('s')" },
  { name: 'a logical slot', sql: () => "SELECT pg_create_logical_replication_slot('s', 'pgoutput')" },
  {
    name: 'an event trigger',
    sql: () =>
      'CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION e()',
  },
  { name: 'write to the catalogue', sql: () => 'UPDATE pg_database SET datconnlimit = -1' },
  { name: 'replace a function of the catalogue', sql: () => 'CREATE FUNCTION pg_catalog.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$' },
  { name: 'another language handler', sql: () => 'ALTER LANGUAGE plpgsql OWNER TO current_user' },
];
