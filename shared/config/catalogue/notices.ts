// What owners are told by: mail, webhooks and sockets.
import { z } from 'zod';
import { list, urlOf, whole } from '../schemas';
import { variables } from '../types';

const sender = z
  .string()
  .trim()
  .regex(/^[^\r\n]*[^\s@<]+@[^\s@>]+>?$/, { error: 'must be an address, or "Name <address>"' });

export const NOTICES = variables({
  LEASEHOLD_SMTP_URL: {
    doc: '`smtp://user:password@host:587` or `smtps://`: the server that sends mail. Not set: owners get webhooks and streams, and no mail',
    schema: urlOf('smtp', 'smtps'),
    readBy: ['worker'],
    secret: true,
  },
  LEASEHOLD_MAIL_FROM: {
    doc: 'whom mail comes from: `Leasehold <notices@example.com>`; goes with the SMTP server',
    schema: sender,
    readBy: ['worker'],
  },
  LEASEHOLD_MAIL_PER_ADDRESS_A_DAY: {
    doc: 'to one address, of whosoever resources; more are given up, so that nobody can have somebody flooded',
    schema: whole(1, 100_000),
    default: '100',
    unit: 'mails a day',
    readBy: ['worker'],
  },
  LEASEHOLD_NOTIFY_ATTEMPTS: {
    doc: 'of one notice to one receiver, over 6 hours; then it is a dead letter',
    schema: whole(1, 1_000),
    default: '16',
    unit: 'attempts',
    readBy: ['worker'],
  },
  LEASEHOLD_NOTIFY_PER_RECEIVER: {
    doc: 'calls to one receiver at once, by each worker',
    schema: whole(1, 64),
    default: '4',
    unit: 'calls',
    readBy: ['worker'],
  },
  LEASEHOLD_SOCKET_ORIGINS: {
    doc: 'web pages, separated by commas, whose scripts may open WebSockets, besides those of the base url itself',
    schema: list,
    default: '',
    readBy: ['api'],
  },
});
