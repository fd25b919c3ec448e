// The answer for a queue: what all engines say, around what its own engine says.
import type { QueueAuthMode, QueueEngine } from '../../../shared/queueprovider';
import { presentKafka } from './queue-kafka';
import { presentNats } from './queue-nats';
import { presentOpenNats } from './queue-nats-open';
import { presentRabbitmq } from './queue-rabbitmq';
import type { ConnectionInput, PresentConnection } from './types';

export type PresentEngine = (input: ConnectionInput) => {
  connection_url: string;
  credentials: { key_id: string; [field: string]: string };
  [field: string]: unknown;
};

const ENGINES: Readonly<Partial<Record<`${QueueEngine}/${QueueAuthMode}`, PresentEngine>>> = {
  'nats/isolated': presentNats,
  'nats/legacy_open': presentOpenNats,
  'kafka/isolated': presentKafka,
  'rabbitmq/isolated': presentRabbitmq,
};

export const presentQueue: PresentConnection = (input) => {
  // Provisioning writes both down before a server hears of the tenant.
  const engine = String(input.details.engine ?? 'nats');
  const authMode = String(input.details.auth_mode ?? 'isolated');
  const present = (ENGINES as Readonly<Partial<Record<string, PresentEngine>>>)[`${engine}/${authMode}`];
  if (present === undefined) throw new Error(`no answer is known for a queue of engine ${engine} with auth_mode ${authMode}`);
  const { connection_url, credentials, ...own } = present(input);
  return {
    connection_url,
    engine,
    subject_prefix: String(input.details.subject_prefix ?? ''),
    auth_mode: authMode,
    ...own,
    credentials: { auth_mode: authMode, ...credentials },
  };
};
