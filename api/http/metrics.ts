// Rate, errors and duration of every route, for Prometheus; beside them what the database says of the platform.
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { registerBuildInfo } from '../../shared/telemetry';
import { registerStateGauges, type StateSource } from './state-gauges';

export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'method' | 'route' | 'status'>;
  readonly #seconds: Histogram<'method' | 'route'>;

  constructor(store: StateSource, options: { processMetrics?: boolean } = {}) {
    if (options.processMetrics) collectDefaultMetrics({ register: this.registry });
    registerBuildInfo(this.registry, 'api');
    this.#requests = new Counter({
      name: 'leasehold_http_requests_total',
      help: 'Requests by route pattern and status.',
      labelNames: ['method', 'route', 'status'],
      registers: [this.registry],
    });
    this.#seconds = new Histogram({
      name: 'leasehold_http_request_duration_seconds',
      help: 'How long requests took, by route pattern.',
      labelNames: ['method', 'route'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25],
      registers: [this.registry],
    });
    registerStateGauges(this.registry, store);
  }

  observe(request: { method: string; route: string; status: number; seconds: number }): void {
    this.#requests.inc({ method: request.method, route: request.route, status: String(request.status) });
    this.#seconds.observe({ method: request.method, route: request.route }, request.seconds);
  }
}
