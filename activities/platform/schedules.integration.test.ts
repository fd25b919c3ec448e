import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { ensureNamespace } from '../../stack';
import { temporalAddress } from '../../test/harness/servers';
import { ensureSchedules, type UpkeepSettings } from './schedules';

const NAMESPACE = `schedules-${Date.now()}`;

describe('ensureSchedules', () => {
  let connection: Connection;
  let client: Client;

  beforeAll(async () => {
    await ensureNamespace({ address: temporalAddress(), namespace: NAMESPACE });
    connection = await Connection.connect({ address: temporalAddress() });
    client = new Client({ connection, namespace: NAMESPACE });
  });
  afterAll(async () => {
    for (const scheduleId of ['sweep', 'usage']) await client.schedule.getHandle(scheduleId).delete();
    await connection.close();
  });

  const settings = (changes: Partial<UpkeepSettings> = {}): UpkeepSettings => ({
    backends: [
      { name: 'one', kind: 'postgres', pool: { template: 't', target: 4 } },
      { name: 'two', kind: 'redis', pool: null },
    ],
    quota: { readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90, measureIntervalMs: 60_000 },
    ...changes,
  });

  it('can be called by several workers at once, and again', async () => {
    await Promise.all([1, 2, 3].map(() => ensureSchedules(client, settings())));
    const sweep = await client.schedule.getHandle('sweep').describe();
    expect(sweep.spec.intervals).toMatchObject([{ every: 300_000 }]);
    expect(sweep.policies.overlap).toBe('SKIP');
    expect(sweep.action).toMatchObject({
      workflowType: 'sweep',
      args: [{ backends: [{ name: 'one' }, { name: 'two' }], orphanMinimumAgeMs: 600_000 }],
    });
    const usage = await client.schedule.getHandle('usage').describe();
    expect(usage.spec.intervals).toMatchObject([{ every: 60_000 }]);
    expect(usage.action).toMatchObject({ workflowType: 'measureUsage', args: [{ thresholds: { suspendAtPercent: 120 } }] });
    const { status } = await client.workflow.getHandle('pool/one').describe();
    expect(status.name).toBe('RUNNING');
    await expect(client.workflow.getHandle('pool/two').describe()).rejects.toThrow();
  });

  it('brings settings up to date and leaves a pause as it is', async () => {
    await ensureSchedules(client, settings());
    const { runId } = await client.workflow.getHandle('pool/one').describe();
    await client.schedule.getHandle('sweep').pause('by an operator');
    await ensureSchedules(client, settings({ sweepIntervalMs: 120_000, orphanMinimumAgeMs: 1_000 }));
    const sweep = await client.schedule.getHandle('sweep').describe();
    expect(sweep.spec.intervals).toMatchObject([{ every: 120_000 }]);
    expect(sweep.action).toMatchObject({ args: [{ orphanMinimumAgeMs: 1_000 }] });
    expect(sweep.state).toMatchObject({ paused: true, note: 'by an operator' });
    expect((await client.workflow.getHandle('pool/one').describe()).runId).toBe(runId);
  });
});
