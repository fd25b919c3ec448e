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
