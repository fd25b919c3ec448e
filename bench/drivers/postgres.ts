import pg from 'pg';
import { CONNECT_MS, type Granted, type KindDriver, type Session } from './types';

async function connect({ connection_url }: Granted): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: connection_url, connectionTimeoutMillis: CONNECT_MS });
  // An end of the session by the server is told to whoever queries next.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

function session(client: pg.Client, statements: { ping: string; prepare: string; write: string; read: string }): Session {
  return {
    async ping() {
      await client.query(statements.ping);
    },
    async write(value) {
      await client.query(statements.prepare);
      await client.query(statements.write, [value]);
    },
    async read() {
      const { rows } = await client.query<{ value: string }>(statements.read);
      return rows[0]?.value ?? '';
    },
    close: () => client.end(),
  };
}

export const postgresDriver: KindDriver = {
  kind: 'postgres',
  driver: 'pg',
  async open(granted) {
    return session(await connect(granted), {
      ping: 'SELECT 1',
      prepare: 'CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT clock_timestamp(), value text)',
      write: 'INSERT INTO kept (value) VALUES ($1)',
      read: 'SELECT value FROM kept ORDER BY at DESC LIMIT 1',
    });
  },
};

export const vectorDriver: KindDriver = {
  kind: 'vector',
  driver: 'pg',
  async open(granted) {
    return session(await connect(granted), {
      ping: `SELECT '[1,2,3]'::vector <-> '[1,2,4]'::vector`,
      prepare: 'CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT clock_timestamp(), value text, place vector(3))',
      write: `INSERT INTO kept (value, place) VALUES ($1, '[1,2,3]')`,
      read: `SELECT value FROM kept ORDER BY place <-> '[1,2,3]', at DESC LIMIT 1`,
    });
  },
};
