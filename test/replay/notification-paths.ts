// The paths of a delivery, over an activity that answers what the path needs.
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { DeliveryActivities } from '../../activities/notification/types';
import {
  DELIVERY_WORKFLOW_TYPE,
  type DeliverInput,
  deliveryWorkflowId,
  NOTIFICATION_TASK_QUEUE,
} from '../../workflows/notification/messages';
import { createLifecycle } from '../harness/lifecycle';
import { temporalAddress, workflowBundlePath } from '../harness/servers';
import type { Path } from './paths';

function delivered(attemptDelivery: DeliveryActivities['attemptDelivery']): Path {
  return async (stage) => {
    const lifecycle = await createLifecycle(stage);
    const connection = await NativeConnection.connect({ address: temporalAddress() });
    const worker = await Worker.create({
      connection,
      namespace: lifecycle.namespace,
      taskQueue: NOTIFICATION_TASK_QUEUE,
      workflowBundle: { codePath: workflowBundlePath() },
      activities: { attemptDelivery },
    });
    const running = worker.run();
    const input: DeliverInput = {
      deliveryId: randomUUID(),
      channel: 'webhook',
      targetId: randomUUID(),
      eventType: 'resource.expiring',
      resourceId: randomUUID(),
    };
    const workflowId = deliveryWorkflowId(input.deliveryId);
    const { client } = lifecycle;
    await client.workflow.execute(DELIVERY_WORKFLOW_TYPE, { workflowId, taskQueue: NOTIFICATION_TASK_QUEUE, args: [input] });
    return {
      workflowId,
      client,
      close: async () => {
        worker.shutdown();
        await running;
        await connection.close();
        await lifecycle.close();
      },
    };
  };
}

export const NOTIFICATION_PATHS: Readonly<Record<string, Path>> = {
  'notice-delivered': delivered(async () => ({ outcome: 'delivered' })),
  'notice-absent': delivered(async () => ({ outcome: 'absent' })),
  'notice-given-up': (stage) => {
    let attempts = 0;
    return delivered(async () => {
      attempts += 1;
      if (attempts < 3)
        throw ApplicationFailure.create({ message: 'the receiver answered 500', type: 'ReceiverFailed', nextRetryDelay: 10 });
      return { outcome: 'dead' };
    })(stage);
  },
};
