// What the platform's database says at the moment of the scrape: resources, pools, backends, what is overdue, what waits to be announced.
import { Gauge, type Registry } from 'prom-client';
import type { ResourceStore } from '../projection/store';

export type StateSource = Pick<ResourceStore, 'poolItems' | 'backendStates' | 'lifecycleCounts'>;

type Labels = Record<string, string>;
interface Sample {
  labels: Labels;
  value: number;
}

export function registerStateGauges(registry: Registry, store: StateSource): void {
  const gauge = (name: string, help: string, labelNames: string[], read: () => Promise<Sample[]>) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset();
        // A database that is away must not take the other metrics with it; a gap is truer than the last value.
        for (const { labels, value } of await read().catch(() => [])) this.set(labels, value);
      },
    });
  gauge('leasehold_pool_items', 'Warm pool items by backend and state.', ['backend', 'state'], async () =>
    (await store.poolItems()).map(({ backend, state, count }) => ({ labels: { backend, state }, value: count })),
  );
  gauge(
    'leasehold_backend_ready',
    '1 when the backend takes resources, 0 when it is down; drained ones are left out.',
    ['backend', 'kind'],
    async () =>
      (await store.backendStates())
        .filter(({ drained }) => !drained)
        .map(({ name, kind, ready }) => ({ labels: { backend: name, kind }, value: ready ? 1 : 0 })),
  );
  gauge('leasehold_resources', 'Resources that are not gone, by kind and status.', ['kind', 'status'], async () =>
    (await store.lifecycleCounts()).map(({ kind, status, count }) => ({ labels: { kind, status }, value: count })),
  );
  gauge(
    'leasehold_resources_overdue_seconds',
    'How long after expiry and grace the most overdue resource still is not deleted, by kind; 0 when none is.',
    ['kind'],
    async () => {
      const most = new Map<string, number>();
      for (const { kind, overdueSeconds } of await store.lifecycleCounts()) most.set(kind, Math.max(most.get(kind) ?? 0, overdueSeconds));
      return [...most].map(([kind, value]) => ({ labels: { kind }, value }));
    },
  );
}
