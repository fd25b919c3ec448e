// The Postgres behind a FerretDB process: a role and a database of its own, made as the postgres kind makes them for tenants.
import pg from 'pg';
import type { MeasuredObject } from '../../backend';
import { ProviderMisconfigured, toProviderError } from '../../errors';
import { loginName } from '../../names';
import { createPostgresBackend, type PostgresBackend } from '../../postgres';
import { USERS_DATABASE } from './spec';

/** What FerretDB processes of one host need of a Postgres server. */
export interface DocumentStorage {
  prepare(): Promise<void>;
  /** Makes role and database, or what of them is missing; answers the url for the process, with the password. */
  ensure(objectName: string, options: { connections: number; signal?: AbortSignal }): Promise<string>;
  /** The url alone. */
  urlOf(objectName: string): string;
  /** Removes the users and whatever else is in their database of Mongo, which is a schema here. */
  dropUsers(objectName: string): Promise<void>;
  drop(objectName: string, options: { signal?: AbortSignal }): Promise<void>;
  measureAll(): Promise<MeasuredObject[]>;
  close(): Promise<void>;
}

export interface PostgresStorageOptions {
  /** The superuser's url of a tenants' server. */
  adminUrl: string;
  installationId: string;
  /** The same each time for one object. */
  passwordOf: (objectName: string) => string;
}

const BACKEND = 'documents';
/** The process's own login never changes: it is in no answer, and its password is known to the process alone. */
const LOGIN_VERSION = 1;

export function createPostgresStorage(options: PostgresStorageOptions): DocumentStorage {
  const { adminUrl, passwordOf } = options;
  const postgres = createPostgresBackend({
    adminUrlOf: () => adminUrl,
    installationId: options.installationId,
    // Whoever calls holds the name's lock and has read the fence.
    fence: async () => true,
    readCredential: async ({ resourceId: objectName }) => ({
      username: loginName(objectName, LOGIN_VERSION),
      password: passwordOf(objectName),
    }),
  });
  const refOf = (objectName: string) => ({
    resourceId: objectName,
    kind: 'postgres' as const,
    backendName: BACKEND,
    objectName,
    generation: 0,
  });
  const urlOf = (objectName: string) => processUrl(adminUrl, objectName, passwordOf(objectName));

  return {
    prepare: () => postgres.prepareServer(BACKEND),
    ensure: async (objectName, { connections, signal }) => {
      const row = { limits: { connections }, options: {}, credentialVersion: LOGIN_VERSION, retiringVersion: null };
      await postgres.provision({ ...refOf(objectName), ...row }, { signal });
      return urlOf(objectName);
    },
    urlOf,
    dropUsers: (objectName) => runAs(urlOf(objectName), `DROP SCHEMA IF EXISTS ${pg.escapeIdentifier(USERS_DATABASE)} CASCADE`),
    drop: (objectName, { signal }) => postgres.deprovision(refOf(objectName), { signal }),
    measureAll: () => measure(postgres),
    close: () => postgres.close(),
  };
}

function measure(postgres: PostgresBackend): Promise<MeasuredObject[]> {
  return postgres.measureAll(BACKEND);
}

/** The admin's url with another login and database: address and TLS settings are the same. */
function processUrl(adminUrl: string, objectName: string, password: string): string {
  if (!URL.canParse(adminUrl)) throw new ProviderMisconfigured('the url of the Postgres server behind FerretDB cannot be read');
  const url = new URL(adminUrl);
  url.username = loginName(objectName, LOGIN_VERSION);
  url.password = encodeURIComponent(password);
  url.pathname = `/${objectName}`;
  return url.href;
}

async function runAs(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, application_name: 'leasehold-documents' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(statement);
  } catch (error) {
    throw toProviderError(error);
  } finally {
    await client.end();
  }
}
