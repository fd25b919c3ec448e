// The delivery workflow's public face. It is given ids only: address, url and secret stay in the platform's database.

export const DELIVERY_WORKFLOW_TYPE = 'deliver';
/** A queue of its own: a receiver that hangs delays no resource. */
export const NOTIFICATION_TASK_QUEUE = 'notification';

export function deliveryWorkflowId(deliveryId: string): string {
  return `delivery/${deliveryId}`;
}

export interface DeliverInput {
  deliveryId: string;
  channel: 'webhook' | 'email';
  /** Whom it goes to: the key by which the queue is shared out fairly. */
  targetId: string;
  eventType: string;
  resourceId: string;
}

/** `absent` = its row is gone, with its subscription or its age. */
export type DeliveryOutcome = 'delivered' | 'dead' | 'absent';
