// One notice to one receiver: an activity that Temporal repeats until it took or was given up. The activity decides which.
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { DeliveryActivities } from '../../activities/notification/types';
import { type DeliverInput, type DeliveryOutcome, NOTIFICATION_TASK_QUEUE } from './messages';

/** Longer than any call may take, the one to the database included. */
const ATTEMPT_TIMEOUT = '45s';

export async function deliver(input: DeliverInput): Promise<DeliveryOutcome> {
  const { attemptDelivery } = proxyActivities<DeliveryActivities>({
    taskQueue: NOTIFICATION_TASK_QUEUE,
    startToCloseTimeout: ATTEMPT_TIMEOUT,
    heartbeatTimeout: '10s',
    // How long to wait, and how often to try, the activity says itself: it counts real attempts only.
    retry: { initialInterval: '5s', maximumInterval: '5m' },
    priority: { fairnessKey: input.targetId },
    summary: `${input.channel} ${input.eventType}`,
  });
  const { outcome } = await attemptDelivery({ deliveryId: input.deliveryId });
  setCurrentDetails(`${outcome}: ${input.eventType} of ${input.resourceId}`);
  return outcome;
}
