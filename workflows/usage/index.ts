// Measures every backend once and tells the resources that crossed a storage threshold. Run by a schedule.
import { ActivityFailure, isCancellation, log, proxyActivities } from '@temporalio/workflow';
import type { Meter, QuotaReporter } from '../../activities/platform/usage';
import { backendTaskQueue } from '../../shared/resourcetype';
import type { MeasureUsageInput, UsageReport } from './messages';

const { reportFindings } = proxyActivities<QuotaReporter>({
  startToCloseTimeout: '1m',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '5m',
  retry: { initialInterval: '1s', maximumInterval: '10s' },
  summary: 'quota findings',
});

function meterOf(backend: MeasureUsageInput['backends'][number]): Meter {
  return proxyActivities<Meter>({
    taskQueue: backendTaskQueue(backend),
    startToCloseTimeout: '2m',
    heartbeatTimeout: '10s',
    // The next run measures afresh, which beats an old measurement that comes late.
    scheduleToCloseTimeout: '3m',
    retry: { initialInterval: '1s', maximumAttempts: 2 },
    priority: { priorityKey: 5 },
    summary: 'measure',
  });
}

type BackendUsage = { measured: number; reported: number } | null;

async function measure(backend: MeasureUsageInput['backends'][number], input: MeasureUsageInput): Promise<BackendUsage> {
  const measuredAtMs = Date.now();
  try {
    const meter = meterOf(backend);
    const { measured, findings } = await meter.measureBackend({ backendName: backend.name, measuredAtMs, thresholds: input.thresholds });
    if (findings.length === 0) return { measured, reported: 0 };
    return { measured, ...(await reportFindings({ findings, measuredAtMs })) };
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    log.warn('a backend could not be measured', { backendName: backend.name, cause: error.cause?.message });
    return null;
  }
}

export async function measureUsage(input: MeasureUsageInput): Promise<UsageReport> {
  const measured = await Promise.all(input.backends.map(async (backend) => [backend.name, await measure(backend, input)] as const));
  return Object.fromEntries(measured);
}
