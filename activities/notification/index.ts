// Everything that a worker needs to tell owners what happened: the activities of the delivery workflow, and the loop that starts it.
import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { Registry } from 'prom-client';
import type { JwtSigner, Keyring } from '../../shared/crypto';
import type { Egress } from '../../shared/egress';
import type { Logger } from '../../shared/logctx';
import { createDeliveryActivities, type DeliverDependencies } from './deliver';
import { createMailSender, type MailSettings } from './email';
import { type NotificationLoop, startNotificationLoop } from './loop';
import { createNotificationMetrics } from './metrics';
import { DeliveryStore } from './store';
import type { DeliveryActivities } from './types';
import { sendWebhook } from './webhook';

export type { MailSettings } from './email';
export type { NotificationLoop } from './loop';

export interface NotificationOptions
  extends Pick<DeliverDependencies, 'maximumAttempts' | 'perTarget' | 'firstBackoffMs' | 'maximumBackoffMs'> {
  pool: pg.Pool;
  databaseUrl: string;
  keyring: Keyring;
  egress: Egress;
  registry: Registry;
  logger: Pick<Logger, 'info' | 'warn'>;
  /** Null = this installation sends no mail: none is planned. */
  mail: (MailSettings & { jwt: JwtSigner }) | null;
}

export interface Notifications {
  activities: DeliveryActivities;
  /** Plans and starts deliveries until it is stopped. */
  startLoop(client: Pick<Client, 'workflow'>): NotificationLoop;
  close(): void;
}

export function createNotifications(options: NotificationOptions): Notifications {
  const { pool, databaseUrl, keyring, egress, logger, mail } = options;
  const store = new DeliveryStore(pool);
  const mailer = mail === null ? null : createMailSender(mail, { store, keyring, jwt: mail.jwt });
  if (mail === null) logger.warn('no SMTP server is configured: owners get webhooks and streams, and no mail');
  return {
    activities: createDeliveryActivities({
      ...options,
      store,
      metrics: createNotificationMetrics(options.registry, pool),
      senders: { webhook: (delivery, signal) => sendWebhook({ egress, keyring, store }, delivery, signal), email: mailer?.send ?? null },
    }),
    startLoop: (client) => startNotificationLoop({ pool, client, databaseUrl, mail: mailer !== null, logger }),
    close: () => mailer?.close(),
  };
}
