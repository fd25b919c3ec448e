// Vector keeps what Postgres keeps, and has pgvector in it.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ProvisionRequest } from '../../activities/backend';
import { createVectorBackend, type VectorBackend, vectorWarmTemplate } from '../../activities/vector';
import { describeBackendContract } from './backend.contract';
import { type PostgresHarness, startDatabaseHarness } from './postgres-harness';

const start = () => startDatabaseHarness('vector', createVectorBackend);

function vectorTests(): void {
  let harness: PostgresHarness<VectorBackend>;
  const made: ProvisionRequest[] = [];

  beforeAll(async () => {
    harness = await start();
  });
  afterAll(async () => {
    for (const request of made) await harness.backend.deprovision(request);
    await harness.close();
  });

  async function provisioned(dimensions?: number): Promise<ProvisionRequest> {
    const request = { ...harness.newRequest(), options: dimensions === undefined ? {} : { dimensions } };
    made.push(request);
    await harness.backend.provision(request);
    return request;
  }

  async function inside<T>(request: ProvisionRequest, sql: string): Promise<T[]> {
    const client = harness.client(request);
    await client.connect();
    try {
      return (await client.query(sql)).rows as T[];
    } finally {
      await client.end();
    }
  }

  test('the nearest of many is found, with an index of the tenant’s own', async () => {
    const request = await provisioned(3);
    await inside(request, 'INSERT INTO items (embedding) SELECT ARRAY[n, 0, 0]::vector FROM generate_series(1, 500) AS n');
    await inside(request, 'CREATE INDEX ON items USING hnsw (embedding vector_l2_ops)');
    const rows = await inside(request, "SELECT embedding::text AS nearest FROM items ORDER BY embedding <-> '[42.2,0,0]' LIMIT 1");
    expect(rows).toEqual([{ nearest: '[42,0,0]' }]);
  });

  test('the example table has the size that was asked for, belongs to the tenant, and is made once', async () => {
    const request = await provisioned(16_000);
    await inside(request, 'INSERT INTO items (embedding) VALUES (array_fill(0.5, ARRAY[16000])::vector)');
    await harness.backend.provision(request);
    expect(await inside(request, 'SELECT count(*)::int AS stored FROM items')).toEqual([{ stored: 1 }]);
    await expect(inside(request, "INSERT INTO items (embedding) VALUES ('[1,2]')")).rejects.toMatchObject({ code: '22000' });
    await inside(request, 'ALTER TABLE items ADD COLUMN title text; DROP TABLE items');
  });

  test.each([
    ['vector', 2_000, 'embedding vector_l2_ops'],
    ['halfvec', 2_001, '(embedding::halfvec(2001)) halfvec_l2_ops'],
    ['halfvec', 4_000, '(embedding::halfvec(4000)) halfvec_l2_ops'],
    ['bit', 16_000, '(binary_quantize(embedding)::bit(16000)) bit_hamming_ops'],
  ])('an example table is indexed and searched as the page says: %s of %i dimensions', async (type, dimensions, indexed) => {
    const request = await provisioned(dimensions);
    const far = `array_fill(-1.0, ARRAY[${dimensions}])::vector`;
    const near = `array_fill(1.0, ARRAY[${dimensions}])::vector`;
    await inside(
      request,
      `INSERT INTO items (embedding) SELECT ${far} FROM generate_series(1, 20); INSERT INTO items (embedding) VALUES (${near})`,
    );
    await inside(request, `CREATE INDEX by_distance ON items USING hnsw (${indexed})`);
    if (type === 'vector') await inside(request, 'CREATE INDEX ON items USING ivfflat (embedding vector_l2_ops) WITH (lists = 1)');
    const order = { vector: `embedding <-> ${near}`, halfvec: `embedding::halfvec(${dimensions}) <-> ${near}::halfvec(${dimensions})` }[
      type
    ];
    const bits = `binary_quantize(embedding)::bit(${dimensions}) <~> binary_quantize(${near})`;
    const search = `SELECT id::int FROM items ORDER BY ${order ?? bits} LIMIT 1`;
    const client = harness.client(request);
    await client.connect();
    await client.query('SET enable_seqscan = off');
    const plan = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${search}`);
    expect(plan.rows.map((row) => row['QUERY PLAN']).join()).toContain('Index Scan');
    expect((await client.query(search)).rows).toEqual([{ id: 21 }]);
    await client.end();
  });

  test('an index on the example table itself ends at 2000 dimensions, and the server says so', async () => {
    const request = await provisioned(2_001);
    for (const method of ['hnsw', 'ivfflat']) {
      const made = inside(request, `CREATE INDEX ON items USING ${method} (embedding vector_l2_ops)`);
      await expect(made).rejects.toMatchObject({ code: '54000', message: expect.stringContaining('more than 2000 dimensions') });
    }
  });

  test('an index is built in little memory, on disk where it does not fit', async () => {
    const request = await provisioned(64);
    await inside(
      request,
      'INSERT INTO items (embedding) SELECT ARRAY(SELECT random() + n * 0 FROM generate_series(1, 64))::vector FROM generate_series(1, 3000) n',
    );
    await inside(request, "SET maintenance_work_mem = '1MB'; CREATE INDEX ON items USING hnsw (embedding vector_l2_ops)");
    expect(await inside(request, 'SELECT count(*)::int AS stored FROM items')).toEqual([{ stored: 3000 }]);
  });

  test('search works after a cut, while it is read-only and after a rotation, and the extension stays the platform’s', async () => {
    const request = await provisioned(2);
    await inside(request, "INSERT INTO items (embedding) VALUES ('[1,2]')");
    await harness.backend.cut(request);
    await expect(inside(request, 'SELECT')).rejects.toThrow();
    await harness.backend.restore(request);
    await harness.backend.setReadOnly({ ...request, readOnly: true });
    expect(await inside(request, "SELECT embedding <-> '[1,2]' AS distance FROM items")).toEqual([{ distance: 0 }]);
    await expect(inside(request, "INSERT INTO items (embedding) VALUES ('[3,4]')")).rejects.toMatchObject({ code: '25006' });
    await harness.backend.setReadOnly({ ...request, readOnly: false });
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await harness.backend.retireCredential({ ...request, retireVersion: 1 });
    const [owner] = await harness.admin<{ own: boolean }>(
      `SELECT extowner::regrole::text = '${request.objectName}' AS own FROM pg_extension WHERE extname = 'vector'`,
      request.objectName,
    );
    expect(owner).toEqual({ own: false });
    const client = harness.client(request, { version: 2 });
    await client.connect();
    await client.query("INSERT INTO items (embedding) VALUES ('[3,4]')");
    await client.end();
  });

  test('a tenant that drops its schema loses the extension, and only the platform can make it again', async () => {
    const request = await provisioned(2);
    await inside(request, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    await expect(inside(request, 'CREATE EXTENSION vector')).rejects.toMatchObject({ code: '42501' });
    await harness.admin('CREATE EXTENSION vector SCHEMA public', request.objectName);
    await inside(request, "SELECT '[1,2]'::vector");
  });

  test('without dimensions there is the extension and nothing else', async () => {
    const request = await provisioned();
    const tables = await inside(request, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    const extensions = await inside(request, "SELECT extname FROM pg_extension WHERE extname = 'vector'");
    expect({ tables, extensions }).toEqual({ tables: [], extensions: [{ extname: 'vector' }] });
  });

  test('what was interrupted after the extension is completed', async () => {
    const request = { ...harness.newRequest(), options: { dimensions: 2 } };
    made.push(request);
    await harness.admin(`CREATE DATABASE "${request.objectName}" TEMPLATE template0`);
    await harness.admin('CREATE EXTENSION vector SCHEMA public', request.objectName);
    await harness.backend.provision(request);
    await inside(request, "INSERT INTO items (embedding) VALUES ('[1,2]')");
  });

  test('a server is asked for the extension, and fit', async () => {
    await expect(harness.backend.prepareServer('test')).resolves.toBeUndefined();
  });
}

if (process.env.LEASEHOLD_TEST_PGVECTOR) {
  describeBackendContract('vector', start, { killedMakers: true, warmTemplate: () => vectorWarmTemplate({}) });
  describe('vector', vectorTests);
} else {
  test.skip('vector: skipped: no server that has pgvector', () => undefined);
}
