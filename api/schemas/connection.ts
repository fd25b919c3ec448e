// What each kind adds to an answer that hands out credentials (contract section 2).
import { z } from 'zod';
import type { ResourceKind } from '../../shared/resourcetype';

const connection_url = z.string().meta({ description: 'Works as it stands in the field’s own driver.' });

const queueCredentials = z.object({
  auth_mode: z.enum(['isolated', 'legacy_open']),
  nats_jwt: z.string().optional(),
  nats_nkey: z.string().optional().meta({ description: 'The seed of the user’s key.' }),
  creds_file: z.string().optional().meta({ description: 'What NATS clients read as a credentials file.' }),
  mechanism: z.literal('SCRAM-SHA-512').optional().meta({ description: 'Kafka: sasl.mechanism.' }),
  security_protocol: z.enum(['SASL_SSL', 'SASL_PLAINTEXT']).optional().meta({ description: 'Kafka: security.protocol.' }),
  username: z.string().optional(),
  password: z.string().optional(),
  key_id: z.string(),
  expires_at: z.iso.datetime().optional(),
});

export const CONNECTION_SHAPES = {
  postgres: { connection_url },
  vector: {
    connection_url,
    extension: z.literal('pgvector'),
    dimensions: z.int().nullable().meta({ description: 'Of the example table; null without one.' }),
  },
  redis: { connection_url, key_prefix: z.string().meta({ description: 'Keys must begin with it; empty on a server of one’s own.' }) },
  mongodb: { connection_url },
  queue: {
    connection_url,
    engine: z.enum(['nats', 'rabbitmq', 'kafka']),
    subject_prefix: z.string().meta({
      description: 'Subjects, or topics, groups and transactional ids of Kafka, must begin with it; empty where the account is one’s own.',
    }),
    auth_mode: z.enum(['isolated', 'legacy_open']),
    vhost: z.string().optional().meta({ description: 'RabbitMQ: the virtual host that is in the url too.' }),
    credentials: queueCredentials,
    warning: z.string().optional().meta({ description: 'legacy_open: that others reach it too.' }),
  },
  storage: {
    connection_url,
    endpoint: z.string(),
    region: z.string().optional(),
    bucket: z.string(),
    prefix: z.string(),
    mode: z.enum(['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary', 'shared-master-key', 'broker']),
    access_key_id: z.string().optional(),
    secret_access_key: z.string().optional(),
    session_token: z.string().optional(),
    credentials_expire_at: z.iso.datetime().optional(),
    presign_url: z.string().optional(),
    agent_action: z.string().optional().meta({ description: 'use_presign_endpoint: there are no keys, sign each request there.' }),
  },
  webhook: { connection_url, receive_url: z.string() },
} satisfies Record<ResourceKind, z.ZodRawShape>;

/** Of any kind: for answers whose kind is not in the route. */
export const connectionShapeOfAny = Object.assign(
  {},
  ...Object.values(CONNECTION_SHAPES).map((shape) => z.object(shape).partial().shape),
) as z.ZodRawShape;
