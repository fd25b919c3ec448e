// Ids that follow from what they stand for, so that doing a thing twice makes one row.
import { v5 as uuidv5 } from 'uuid';

/** Fixed for ever: the same delivery must come out of every attempt, on every machine. */
const DELIVERY_NAMESPACE = '4a3c2a1e-8a0d-5c1f-9d53-6d2f7b0b9e21';
const ADDRESS_NAMESPACE = '9f0f4f0c-2b7b-5d0a-8f6e-1c7c9f6f3a55';
/** The scope of whoever has no team. */
export const NO_TEAM = '00000000-0000-0000-0000-000000000000';

export type Channel = 'webhook' | 'email';

export function deliveryIdOf(eventId: string, channel: Channel, targetId: string): string {
  return uuidv5(`${eventId}/${channel}/${targetId}`, DELIVERY_NAMESPACE);
}

/** Stands for an address where the address itself need not be kept. Letters' case makes no difference. */
export function addressIdOf(address: string): string {
  return uuidv5(address.trim().toLowerCase(), ADDRESS_NAMESPACE);
}
