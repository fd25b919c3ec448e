// Delivering, as the workflow sees it: ids in, the outcome out.

export interface DeliveryActivities {
  attemptDelivery(request: { deliveryId: string }): Promise<{ outcome: 'delivered' | 'dead' | 'absent' }>;
}
