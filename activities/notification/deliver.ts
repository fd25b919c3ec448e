// One attempt of one delivery: check-then-act on its row, so that running it twice sends at worst the same event twice.
import { ApplicationFailure } from '@temporalio/common';
import type { Logger } from '../../shared/logctx';
import type { Channel } from '../../shared/notification';
import { withHeartbeat } from '../heartbeat';
import type { NotificationMetrics } from './metrics';
import type { DeliveryStore, StoredDelivery } from './store';
import type { DeliveryActivities } from './types';
import type { SendResult } from './webhook';

export type Send = (delivery: StoredDelivery, signal: AbortSignal) => Promise<SendResult>;

export interface DeliverDependencies {
  store: DeliveryStore;
  senders: Readonly<Record<Channel, Send | null>>;
  metrics: NotificationMetrics;
  logger: Pick<Logger, 'info' | 'warn'>;
  /** Then it is a dead letter. */
  maximumAttempts: number;
  /** Calls to one receiver at once, by each worker. */
  perTarget: number;
  /** Doubles with each attempt. */
  firstBackoffMs: number;
  maximumBackoffMs: number;
}

const BUSY_MS = 1_000;

/** A fifth more or less, so that what failed together is not tried together. */
export function backoffMs(
  attempt: number,
  { firstBackoffMs, maximumBackoffMs }: Pick<DeliverDependencies, 'firstBackoffMs' | 'maximumBackoffMs'>,
): number {
  const doubled = Math.min(maximumBackoffMs, firstBackoffMs * 2 ** Math.min(40, Math.max(0, attempt - 1)));
  return Math.round(doubled * (0.8 + Math.random() * 0.4));
}

export function createDeliveryActivities(dependencies: DeliverDependencies): DeliveryActivities {
  const { store, perTarget } = dependencies;
  const underWay = new Map<string, number>();
  return {
    async attemptDelivery({ deliveryId }) {
      const delivery = await store.find(deliveryId);
      if (delivery === null) return { outcome: 'absent' };
      if (delivery.state !== 'pending') return { outcome: delivery.state };
      const { targetId } = delivery;
      const calls = underWay.get(targetId) ?? 0;
      // Gives its place back, so that one receiver that hangs does not hold all of them.
      if (calls >= perTarget) throw again('the receiver is busy with earlier ones', 'ReceiverBusy', BUSY_MS * (1 + Math.random()));
      underWay.set(targetId, calls + 1);
      try {
        return await withHeartbeat((signal) => attempt(dependencies, delivery, signal));
      } finally {
        const left = (underWay.get(targetId) ?? 1) - 1;
        if (left === 0) underWay.delete(targetId);
        else underWay.set(targetId, left);
      }
    },
  };
}

async function attempt(
  dependencies: DeliverDependencies,
  delivery: StoredDelivery,
  signal: AbortSignal,
): Promise<{ outcome: 'delivered' | 'dead' }> {
  const { store, metrics, senders, logger, maximumAttempts } = dependencies;
  const { channel } = delivery;
  const number = await store.beginAttempt(delivery.id);
  const result = await (senders[channel]?.(delivery, signal) ?? notConfigured(channel));
  metrics.attempts.inc({ channel, result: result.result });
  if (result.result === 'delivered') {
    await store.end(delivery, { state: 'delivered', status: result.status, error: null });
    metrics.latency.observe({ channel }, (Date.now() - delivery.createdAt.getTime()) / 1000);
    return { outcome: 'delivered' };
  }
  const { status, error } = result;
  if (result.result === 'gone') await store.disableReceiver(delivery);
  if (result.result !== 'failed' || number >= maximumAttempts) {
    await store.end(delivery, { state: 'dead', status, error });
    metrics.deadLettered.inc({ channel });
    logger.warn('a notice was given up', {
      delivery_id: delivery.id,
      channel,
      event_id: delivery.event.id,
      attempts: number,
      cause: error,
    });
    return { outcome: 'dead' };
  }
  await store.recordFailure(delivery.id, { status, error });
  throw again(error, 'ReceiverFailed', backoffMs(number, dependencies));
}

function notConfigured(channel: Channel): SendResult {
  return { result: 'failed', status: null, error: `${channel} is not set up on this worker` };
}

function again(message: string, type: string, nextRetryDelayMs: number): ApplicationFailure {
  return ApplicationFailure.create({ message, type, nextRetryDelay: Math.round(nextRetryDelayMs) });
}
