// How the process is doing, and what the installation offers.
import type { ApiDeps } from '../deps';
import { defineRoute, type Route } from '../http/route';
import { buildinfoAnswer, capabilitiesAnswer, healthzAnswer, livezAnswer, readyzAnswer } from '../schemas/ops';

export const SERVICE = 'leasehold-api';
const MIGRATION_CACHE_MS = 10_000;

export function opsRoutes(deps: ApiDeps): Route[] {
  return [livezRoute(), healthzRoute(deps), readyzRoute(deps), metricsRoute(deps), buildinfoRoute(deps), capabilitiesRoute(deps)];
}

function livezRoute(): Route {
  return defineRoute({
    method: 'get',
    path: '/livez',
    operationId: 'livez',
    summary: 'The process runs',
    tag: 'Operating',
    access: 'public',
    answers: { 200: { description: 'It does.', schema: livezAnswer } },
    errors: [],
    handle: async () => ({ status: 200, body: { alive: true } }),
  });
}

function healthzRoute(deps: ApiDeps): Route {
  let cached: { atMs: number; state: Promise<{ version: string | null; status: string }> } | null = null;
  const migration = () => {
    const nowMs = Date.now();
    if (cached === null || nowMs - cached.atMs > MIGRATION_CACHE_MS) {
      cached = { atMs: nowMs, state: deps.store.migration().catch(() => ({ version: null, status: 'unknown' })) };
    }
    return cached.state;
  };
  return defineRoute({
    method: 'get',
    path: '/healthz',
    operationId: 'healthz',
    summary: 'Which build runs, on which schema',
    tag: 'Operating',
    access: 'public',
    answers: { 200: { description: 'The build.', schema: healthzAnswer } },
    errors: [],
    async handle() {
      const { version, status } = await migration();
      const body = {
        ...buildBody(deps),
        migration_version: version,
        migration_status: status,
        now: new Date().toISOString(),
        uptime_seconds: Math.round(process.uptime()),
      };
      return { status: 200, body };
    },
  });
}

function readyzRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/readyz',
    operationId: 'readyz',
    summary: 'What this process depends on',
    description: '503 only when a critical check fails; a degraded process serves.',
    tag: 'Operating',
    access: 'public',
    answers: {
      200: { description: 'Ready, or degraded.', schema: readyzAnswer },
      503: { description: 'A critical check fails.', schema: readyzAnswer, headers: ['Retry-After'] },
    },
    errors: [],
    async handle() {
      const report = await deps.readiness.report();
      if (report.overall === 'failed') return { status: 503, body: report, headers: { 'Retry-After': '10' } };
      return { status: 200, body: report };
    },
  });
}

function metricsRoute(deps: ApiDeps): Route {
  const { registry } = deps.metrics;
  return defineRoute({
    method: 'get',
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    tag: 'Operating',
    access: 'public',
    answers: { 200: { description: 'In the text format.', contentTypes: ['text/plain'] } },
    errors: [],
    handle: async () => ({ status: 200, body: await registry.metrics(), contentType: registry.contentType }),
  });
}

function buildBody({ build }: ApiDeps) {
  return { ok: true as const, service: SERVICE, commit_id: build.commitId, build_time: build.buildTime, version: build.version };
}

function buildinfoRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/buildinfo',
    operationId: 'buildinfo',
    summary: 'Which build runs',
    tag: 'Operating',
    access: 'public',
    answers: { 200: { description: 'The build.', schema: buildinfoAnswer } },
    errors: [],
    handle: async () => ({ status: 200, body: buildBody(deps) }),
  });
}

function capabilitiesRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/capabilities',
    operationId: 'capabilities',
    summary: 'The plans and their limits, lowest rank first',
    tag: 'Operating',
    access: 'public',
    answers: { 200: { description: 'The plans.', schema: capabilitiesAnswer } },
    errors: [],
    async handle() {
      const { baseUrl, upgradeUrl, contact } = deps.settings;
      const body = { ok: true, tiers: deps.plans.current().capabilities(upgradeUrl), docs: `${baseUrl}/docs`, contact };
      return { status: 200, body, headers: { 'Cache-Control': 'public, max-age=60' } };
    },
  });
}
