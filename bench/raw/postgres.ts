import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { DRIVERS, type Granted } from '../drivers';
import type { RawContext, RawKind } from './types';

/** A role that its database lets in, with a password, and for vector the extension. */
export async function rawPostgres({ adminUrl }: RawContext, kind: 'postgres' | 'vector'): Promise<RawKind> {
  const admin = new pg.Client({ connectionString: adminUrl, application_name: 'bench-raw' });
  await admin.connect();
  const made: string[] = [];
  return {
    async make() {
      const name = `bench_${randomBytes(12).toString('hex')}`;
      const password = randomBytes(24).toString('hex');
      made.push(name);
      await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD '${password}' IN ROLE leasehold_tenants`);
      await admin.query(`CREATE DATABASE ${name} OWNER ${name}`);
      const url = Object.assign(new URL(adminUrl), { username: name, password, pathname: `/${name}` });
      if (kind === 'vector') await createExtension(adminUrl, name);
      const session = await DRIVERS[kind].open({ connection_url: url.toString() } as Granted);
      await session.ping();
      await session.close();
    },
    async removeAll() {
      for (const name of made.splice(0)) {
        await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        await admin.query(`DROP ROLE IF EXISTS ${name}`);
      }
    },
    close: () => admin.end(),
  };
}

async function createExtension(adminUrl: string, database: string): Promise<void> {
  const url = Object.assign(new URL(adminUrl), { pathname: `/${database}` });
  const client = new pg.Client({ connectionString: url.toString() });
  await client.connect();
  await client.query('CREATE EXTENSION vector');
  await client.end();
}
