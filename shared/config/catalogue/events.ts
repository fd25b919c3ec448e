// Where events are published, and how long they are kept.
import { port, text, urlOf, whole } from '../schemas';
import { variables } from '../types';

export const EVENTS = variables({
  LEASEHOLD_EVENTS_NATS_URL: {
    doc: 'broker (NATS with JetStream) that events are published to; may hold a user and a password, or a token',
    schema: urlOf('nats', 'tls'),
    defaultDoc: 'an account of its own on the embedded NATS; without one nothing is published',
    readBy: ['stack', 'relay'],
    secret: true,
  },
  LEASEHOLD_EVENTS_NATS_CREDS: {
    doc: "content of the broker's .creds file: a signed user and its seed",
    schema: text,
    defaultDoc: 'none, or that of the embedded account',
    readBy: ['stack', 'relay', 'compose'],
    secret: true,
  },
  LEASEHOLD_EVENTS_RETENTION_HOURS: {
    doc: 'how long events stay on the stream, and published rows in the outbox; without a broker, rows at all',
    schema: whole(1, 87_600),
    default: '168',
    unit: 'hours',
    readBy: ['relay'],
  },
  LEASEHOLD_EVENTS_MAX_MB: {
    doc: 'room of the stream on the broker; the oldest events go first',
    schema: whole(1, 1_000_000),
    default: '1024',
    unit: 'MB',
    readBy: ['relay'],
  },
  LEASEHOLD_RELAY_ATTEMPTS: {
    doc: 'attempts after which an event that the broker refuses waits for an operator',
    schema: whole(1, 1_000),
    default: '10',
    readBy: ['relay'],
  },
  LEASEHOLD_RELAY_METRICS_PORT: {
    doc: 'Prometheus metrics and /livez of the relay, on loopback',
    schema: port,
    defaultDoc: 'a free one, remembered',
    readBy: ['stack', 'relay'],
  },
});
