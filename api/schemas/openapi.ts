// `GET /openapi.json`, made from the routes themselves.
import { OpenAPIRegistry, OpenApiGeneratorV31, type ResponseConfig, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { type ErrorCode, httpStatusOf } from '../../shared/errors';
import { commonErrors, keepsAnswers, type Route } from '../http/route';
import { errorSchema, problemSchema } from './error';

const RATE_HEADERS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'RateLimit', 'RateLimit-Policy'];
const EVERY_HEADER = ['X-Request-ID', 'traceparent', ...RATE_HEADERS];

const KEY_HEADERS = {
  'Idempotency-Key':
    '1 to 255 printable ASCII characters (16 or more without a credential). A repeat gets the answer that the first one got.',
  'X-Idempotency-Key': 'The same as Idempotency-Key.',
};

type Headers = Record<string, { schema: { type: 'string' } }>;

function headers(names: readonly string[]): Headers {
  return Object.fromEntries(names.map((name) => [name, { schema: { type: 'string' as const } }]));
}

export function errorStatuses(route: Route): Map<number, ErrorCode[]> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...commonErrors(route), ...route.errors])) {
    const status = httpStatusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return byStatus;
}

function responses(route: Route): Record<string, ResponseConfig> {
  const all: Record<string, ResponseConfig> = {};
  for (const [status, codes] of errorStatuses(route)) {
    const extra = [...(status === 429 || status > 500 ? ['Retry-After'] : []), ...(status === 401 ? ['WWW-Authenticate'] : [])];
    all[status] = {
      description: codes.map((code) => `\`${code}\``).join(', '),
      headers: headers([...EVERY_HEADER, ...extra]),
      content: {
        'application/json': { schema: errorSchema(status) },
        'application/problem+json': { schema: problemSchema(status) },
      },
    };
  }
  for (const [status, answer] of Object.entries(route.answers)) {
    const others = (answer.contentTypes ?? []).map((type) => [type, { schema: z.string() }] as const);
    const json =
      answer.schema === undefined ? [] : [['application/json', { schema: withErrors(answer.schema, Number(status), route) }] as const];
    const content = Object.fromEntries([...json, ...others]);
    all[status] = {
      description: answer.description,
      headers: headers([...EVERY_HEADER, ...(keepsAnswers(route) ? ['X-Idempotent-Replay'] : []), ...(answer.headers ?? [])]),
      ...(Object.keys(content).length > 0 ? { content } : {}),
    };
  }
  return all;
}

/** Where a status has an answer and an error of its own (`/readyz`), it may be either. */
function withErrors(schema: z.ZodType, status: number, route: Route): z.ZodType {
  return errorStatuses(route).has(status) ? z.union([schema, errorSchema(status)]) : schema;
}

function security(route: Route): RouteConfig['security'] {
  switch (route.access) {
    case 'public':
      return [];
    case 'caller':
      return [{}, { bearer: [] }];
    case 'bearer':
      return [{ bearer: [] }];
    case 'operator':
      return [{ operator: [] }];
  }
}

function requestOf(route: Route): RouteConfig['request'] {
  const headerShape = Object.fromEntries(
    Object.entries({ ...(keepsAnswers(route) ? KEY_HEADERS : {}), ...route.headers }).map(([name, description]) => [
      name,
      z.string().optional().meta({ description }),
    ]),
  );
  const required = route.body !== undefined && !route.body.safeParse(undefined).success;
  return {
    ...(route.params === undefined ? {} : { params: route.params as z.ZodObject }),
    ...(route.query === undefined ? {} : { query: route.query as z.ZodObject }),
    ...(Object.keys(headerShape).length === 0 ? {} : { headers: z.object(headerShape) }),
    ...(route.body === undefined ? {} : { body: { required, content: { 'application/json': { schema: route.body } } } }),
  };
}

export function openApiDocument(routes: readonly Route[], options: { baseUrl: string; version: string; contact: string }): object {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer', description: 'An api key.' });
  registry.registerComponent('securitySchemes', 'operator', { type: 'http', scheme: 'bearer', description: 'The operator key.' });
  for (const route of routes) {
    registry.registerPath({
      method: route.method,
      path: route.path.replace(/:(\w+)/g, '{$1}'),
      operationId: route.operationId,
      summary: route.summary,
      ...(route.description === undefined ? {} : { description: route.description }),
      tags: [route.tag],
      security: security(route),
      request: requestOf(route),
      responses: responses(route),
    });
  }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Leasehold',
      version: options.version,
      description: 'Real infrastructure on a lease: one call makes a database that lives and dies as one workflow.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: options.baseUrl }],
  });
}
