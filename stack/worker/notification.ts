// The worker's part that tells owners what happened: a queue, a pool and a loop of its own, so that it holds nothing else up.
import { Worker } from '@temporalio/worker';
import { createNotifications, type MailSettings } from '../../activities/notification';
import { ConfigError, type Environment, readConfig } from '../../shared/config';
import { JwtSigner } from '../../shared/crypto';
import { createPool } from '../../shared/db';
import { createEgress } from '../../shared/egress';
import { NOTIFICATION_TASK_QUEUE } from '../../workflows/notification/messages';
import type { WorkerProcess } from './process';

const CONNECTIONS = 6;
/** Each one waits for a receiver most of the time. */
const CALLS_AT_ONCE = 64;
const CACHED_WORKFLOWS = 200;

type Config = ReturnType<typeof readConfig<'worker'>>;

/** Null = no SMTP server: then there is no mail. @throws ConfigError when half of it is configured */
function mailSettings(config: Config): (MailSettings & { jwt: JwtSigner }) | null {
  if (config.LEASEHOLD_SMTP_URL === undefined) return null;
  const needed = (name: 'LEASEHOLD_MAIL_FROM' | 'LEASEHOLD_JWT_KEYS'): string => {
    const value = config[name];
    if (value === undefined) throw new ConfigError(`${name}: is not set, and mail (LEASEHOLD_SMTP_URL) needs it`);
    return value;
  };
  const baseUrl = config.LEASEHOLD_BASE_URL ?? config.APP_URL;
  if (baseUrl === undefined) throw new ConfigError('LEASEHOLD_BASE_URL: is not set, and mail (LEASEHOLD_SMTP_URL) needs it for its links');
  return {
    smtpUrl: config.LEASEHOLD_SMTP_URL,
    from: needed('LEASEHOLD_MAIL_FROM'),
    baseUrl,
    perAddressADay: config.LEASEHOLD_MAIL_PER_ADDRESS_A_DAY,
    jwt: JwtSigner.parse(needed('LEASEHOLD_JWT_KEYS')),
  };
}

export interface NotificationPart {
  worker: Worker;
  /** Once resources can be made. */
  start(): void;
  close(): Promise<void>;
}

/** @throws ConfigError */
export async function createNotificationPart(
  process: WorkerProcess,
  environment: Environment,
  codePath: string,
): Promise<NotificationPart> {
  const { config, keyring, logger, registry, client } = process;
  const settings = readConfig('worker', environment);
  const mail = mailSettings(settings);
  const pool = createPool({ url: config.databaseUrl, applicationName: 'leasehold-notification', max: CONNECTIONS });
  const notifications = createNotifications({
    pool,
    databaseUrl: config.databaseUrl,
    keyring,
    egress: createEgress({ allowedCidrs: settings.LEASEHOLD_EGRESS_CIDRS }),
    registry,
    logger,
    mail,
    maximumAttempts: settings.LEASEHOLD_NOTIFY_ATTEMPTS,
    perTarget: settings.LEASEHOLD_NOTIFY_PER_RECEIVER,
    firstBackoffMs: 5_000,
    maximumBackoffMs: 3_600_000,
  });
  const worker = await Worker.create({
    ...process.workerOptions,
    taskQueue: NOTIFICATION_TASK_QUEUE,
    workflowBundle: { codePath },
    maxCachedWorkflows: CACHED_WORKFLOWS,
    maxConcurrentActivityTaskExecutions: CALLS_AT_ONCE,
    activities: { ...notifications.activities },
  });
  let loop: ReturnType<typeof notifications.startLoop> | null = null;
  return {
    worker,
    start() {
      loop = notifications.startLoop(client);
    },
    async close() {
      await loop?.stop();
      notifications.close();
      await pool.end();
    },
  };
}
