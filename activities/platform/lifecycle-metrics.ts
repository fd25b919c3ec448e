// What each transition tells Prometheus. Counted where the row changed, not where it was asked to: a repeated activity counts nothing.
import { Counter, Histogram, type Registry } from 'prom-client';
import { rungLabel } from '../../shared/plans/types';
import type { TransitionRequest } from './types';

export type TransitionMetrics = (written: TransitionRequest) => void;

/** How late something was that had a time to happen at: from at once to half a day. */
const LATENESS_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 43_200];
const PROVISION_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 180, 600];

/** When this was due, by the row's own times; null for what has no time. Pure. */
export function dueAtMs({ row, event }: Pick<TransitionRequest, 'row' | 'event'>): number | null {
  if (row.expiresAtMs === null) return null;
  switch (event.type) {
    case 'resource.expiring': {
      const rungMs = row.policy.rungsMs.find((candidate) => rungLabel(candidate) === event.data.rung);
      return rungMs === undefined ? null : row.expiresAtMs - rungMs;
    }
    case 'resource.expired':
      return row.expiresAtMs;
    case 'resource.deleted':
      return event.data.reason === 'expired' ? row.expiresAtMs + row.policy.graceMs : null;
    default:
      return null;
  }
}

/** Registers the metrics; once per registry. */
export function createTransitionMetrics(registry: Registry): TransitionMetrics {
  const registers = [registry];
  const lateness = (name: string, help: string, labelNames: string[] = ['kind']) =>
    new Histogram({ name, help, labelNames, buckets: LATENESS_SECONDS, registers });
  const transitions = new Counter({
    name: 'leasehold_resource_transitions_total',
    help: 'Transitions written, by kind and event.',
    labelNames: ['kind', 'event'],
    registers,
  });
  const provision = new Histogram({
    name: 'leasehold_resource_provision_seconds',
    help: 'From the reservation to active, by kind.',
    labelNames: ['kind'],
    buckets: PROVISION_SECONDS,
    registers,
  });
  const warnings = lateness('leasehold_resource_warning_lateness_seconds', 'How late each expiry warning was, by kind and rung.', [
    'kind',
    'rung',
  ]);
  const expiries = lateness('leasehold_resource_expiry_lateness_seconds', 'How long after its expiry each resource was cut off.');
  const deletions = lateness(
    'leasehold_resource_deletion_lateness_seconds',
    'How long after expiry and grace each expired resource was gone from its backend.',
  );
  return (written) => {
    const { row, event, atMs } = written;
    const { kind } = row;
    transitions.inc({ kind, event: event.type });
    if (event.type === 'resource.active') provision.observe({ kind }, seconds(row.createdAtMs, atMs));
    const dueMs = dueAtMs(written);
    if (dueMs === null) return;
    const late = seconds(dueMs, atMs);
    if (event.type === 'resource.expiring') warnings.observe({ kind, rung: String(event.data.rung) }, late);
    else if (event.type === 'resource.expired') expiries.observe({ kind }, late);
    else deletions.observe({ kind }, late);
  };
}

/** Two machines' clocks may differ by a little. */
function seconds(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1000;
}
