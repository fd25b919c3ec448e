import { describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { apiRoutes } from '../app';
import { fakeApp } from '../testing/fakes';

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        parameters?: { name: string; in: string }[];
        requestBody?: object;
        responses: Record<string, { content?: Record<string, { schema?: unknown }> }>;
      }
    >
  >;
  components: { schemas: Record<string, unknown> };
}

describe('GET /openapi.json', () => {
  const { app, deps } = fakeApp();
  const routes = apiRoutes(deps);

  it('describes every route with its answers and its errors', async () => {
    const document = (await request(app).get('/openapi.json')).body as Document;
    expect(document.openapi).toBe('3.1.0');
    for (const route of routes) {
      const operation = document.paths[route.path.replace(/:(\w+)/g, '{$1}')]?.[route.method];
      expect(operation?.operationId).toBe(route.operationId);
      const statuses = Object.keys(operation?.responses ?? {});
      expect(statuses).toEqual(expect.arrayContaining([...Object.keys(route.answers), '400', '429', '500', '503']));
      for (const status of statuses.filter((text) => Number(text) >= 400 && route.answers[Number(text)] === undefined)) {
        expect(Object.keys(operation?.responses[status]?.content ?? {})).toEqual(['application/json', 'application/problem+json']);
      }
    }
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((operation) => operation.operationId));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('refers only to what it holds', async () => {
    const { text, body } = await request(app).get('/openapi.json');
    const names = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(10);
    expect(Object.keys((body as Document).components.schemas)).toEqual(expect.arrayContaining([...new Set(names)]));
  });

  it('says of a provision what is sent and which headers count', async () => {
    const { body } = await request(app).get('/openapi.json');
    const operation = (body as Document).paths['/db/new']?.post;
    expect(operation?.parameters?.map((parameter) => parameter.name)).toEqual(['Idempotency-Key', 'X-Idempotency-Key', 'Prefer']);
    expect(operation?.requestBody).toMatchObject({
      required: true,
      content: {
        'application/json': {
          schema: { type: 'object', required: ['name'], properties: { labels: { type: 'object' }, ttl: { type: 'string' } } },
        },
      },
    });
  });
});
