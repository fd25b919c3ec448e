// Rate, errors and duration of every route, and what the warm pools hold, for Prometheus.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ResourceStore } from '../projection/store';

export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'method' | 'route' | 'status'>;
  readonly #seconds: Histogram<'method' | 'route'>;

  constructor(store: Pick<ResourceStore, 'poolItems'>, options: { processMetrics?: boolean } = {}) {
    if (options.processMetrics) collectDefaultMetrics({ register: this.registry });
    this.#requests = new Counter({
      name: 'leasehold_http_requests_total',
      help: 'Requests by route pattern and status.',
      labelNames: ['method', 'route', 'status'],
      registers: [this.registry],
    });
    this.#seconds = new Histogram({
      name: 'leasehold_http_request_seconds',
      help: 'How long requests took, by route pattern.',
      labelNames: ['method', 'route'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25],
      registers: [this.registry],
    });
    new Gauge({
      name: 'leasehold_pool_items',
      help: 'Warm pool items by backend and state.',
      labelNames: ['backend', 'state'],
      registers: [this.registry],
      async collect() {
        this.reset();
        // A database that is away must not take the other metrics with it.
        for (const item of await store.poolItems().catch(() => [])) this.set({ backend: item.backend, state: item.state }, item.count);
      },
    });
  }

  observe(request: { method: string; route: string; status: number; seconds: number }): void {
    this.#requests.inc({ method: request.method, route: request.route, status: String(request.status) });
    this.#seconds.observe({ method: request.method, route: request.route }, request.seconds);
  }
}
