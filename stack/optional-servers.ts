// Servers of other providers: started only when LEASEHOLD_KINDS names them.
import type { OptionalServer } from '../shared/resourcetype';
import type { KindServer } from './kind-server';
import { KAFKA_SERVICE } from './servers/kafka-service';
import { MINIO_SERVICE } from './servers/minio-service';
import { NATS_OPEN_SERVICE } from './servers/nats-open-service';
import { RABBITMQ_SERVICE } from './servers/rabbitmq-service';

export const OPTIONAL_KIND_SERVERS: readonly (KindServer & { name: OptionalServer })[] = [
  KAFKA_SERVICE,
  MINIO_SERVICE,
  NATS_OPEN_SERVICE,
  RABBITMQ_SERVICE,
];
