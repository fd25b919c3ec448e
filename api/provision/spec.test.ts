// What of a plan a resource is started with.
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inboxLimits } from '../../shared/inbox';
import { loadPlans, PLAN_DEFAULTS } from '../../shared/plans';
import { queueLimits } from '../../shared/queueprovider';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { limitsFor } from './spec';

const plans = loadPlans(join(__dirname, '../../plans.yaml'));
const anonymous = plans.byTier('anonymous');

describe('limits', () => {
  it('are the plan’s figures for the kind, and no others', () => {
    expect(limitsFor(anonymous, 'postgres')).toEqual({ connections: 2, storageMb: 10, tempFileMb: 256, statementTimeoutMs: 60_000 });
    expect(limitsFor(anonymous, 'redis')).toEqual({ memoryMb: 5, commandsPerDay: 1000 });
    expect(limitsFor(anonymous, 'mongodb')).toEqual({ connections: 2, storageMb: 5, opsPerMinute: 100 });
    expect(limitsFor(anonymous, 'queue')).toEqual({ connections: 25, storageMb: 64, streams: 10, consumersPerStream: 20, messageKb: 1024 });
    expect(limitsFor(anonymous, 'webhook')).toEqual({ requestsStored: 100, bodyKb: 1024, mbPerMinute: 64 });
    expect(limitsFor({ ...anonymous, webhookRingMb: 32 }, 'webhook')).toMatchObject({ ringMb: 32 });
  });

  it('leave out what is unlimited, of any kind', () => {
    for (const kind of RESOURCE_KINDS) expect(Object.values(limitsFor(anonymous, kind))).not.toContain(-1);
    expect(limitsFor({ ...anonymous, postgresStorageMb: -1, postgresConnections: -1 }, 'postgres')).not.toHaveProperty('storageMb');
  });

  it('reach the server as the plan has them', () => {
    const figure = fc.integer({ min: 1, max: 1_000 });
    fc.assert(
      fc.property(figure, figure, figure, figure, (queueConnections, queueStreams, queueConsumersPerStream, queueMessageKb) => {
        const plan = { ...anonymous, queueConnections, queueStreams, queueConsumersPerStream, queueMessageKb };
        expect(queueLimits(limitsFor(plan, 'queue'))).toEqual({
          storageBytes: 64 * 1024 * 1024,
          connections: queueConnections,
          streams: queueStreams,
          consumersPerStream: queueConsumersPerStream,
          messageBytes: queueMessageKb * 1024,
        });
        const inbox = inboxLimits(limitsFor({ ...anonymous, webhookBodyKb: queueMessageKb, webhookMbPerMinute: queueStreams }, 'webhook'));
        expect(inbox).toMatchObject({ maxBodyBytes: queueMessageKb * 1024, maxBytesPerMinute: queueStreams * 1024 * 1024 });
      }),
    );
  });

  it('of a resource that is older than a figure are what a plan without it has', () => {
    expect(queueLimits({ storageMb: 64 })).toEqual(queueLimits(limitsFor(anonymous, 'queue')));
    expect(inboxLimits({ requestsStored: 100 })).toEqual(inboxLimits(limitsFor(anonymous, 'webhook')));
    expect(limitsFor(anonymous, 'vector')).toMatchObject({
      tempFileMb: PLAN_DEFAULTS.tempFileMb,
      statementTimeoutMs: PLAN_DEFAULTS.statementTimeoutMs,
    });
  });
});
