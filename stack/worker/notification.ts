// The worker's part that tells owners what happened: a queue, a pool and a loop of its own, so that it holds nothing else up.
import { Worker } from '@temporalio/worker';
import { z } from 'zod';
import { createNotifications, type MailSettings } from '../../activities/notification';
import { JwtSigner } from '../../shared/crypto';
import { createPool } from '../../shared/db';
import { createEgress } from '../../shared/egress';
import { NOTIFICATION_TASK_QUEUE } from '../../workflows/notification/messages';
import type { WorkerProcess } from './process';

const CONNECTIONS = 6;
/** Each one waits for a receiver most of the time. */
const CALLS_AT_ONCE = 64;
const CACHED_WORKFLOWS = 200;

const environment = z.object({
  LEASEHOLD_SMTP_URL: z.url({ protocol: /^smtps?$/, error: 'must be an smtp or smtps URL' }).optional(),
  LEASEHOLD_MAIL_FROM: z
    .string()
    .regex(/^[^\r\n]*[^\s@<]+@[^\s@>]+>?$/, { error: 'must be an address, or "Name <address>"' })
    .optional(),
  LEASEHOLD_MAIL_PER_ADDRESS_A_DAY: z.coerce.number().int().min(1).default(100),
  LEASEHOLD_BASE_URL: z.url().optional(),
  LEASEHOLD_JWT_KEYS: z.string().min(1).optional(),
  LEASEHOLD_EGRESS_CIDRS: z.string().default(''),
  LEASEHOLD_NOTIFY_ATTEMPTS: z.coerce.number().int().min(1).max(1_000).default(16),
  LEASEHOLD_NOTIFY_PER_RECEIVER: z.coerce.number().int().min(1).max(CALLS_AT_ONCE).default(4),
});

/** @throws Error with one line that names the variable. */
function readConfig(env: NodeJS.ProcessEnv) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`${issue?.path.join('.') ?? 'environment'}: ${issue?.message ?? 'is wrong'}; see docs/configuration.md`);
  }
  return parsed.data;
}

/** Null = no SMTP server: then there is no mail. @throws Error when half of it is configured */
function mailSettings(data: ReturnType<typeof readConfig>): (MailSettings & { jwt: JwtSigner }) | null {
  if (data.LEASEHOLD_SMTP_URL === undefined) return null;
  const needed = (name: 'LEASEHOLD_MAIL_FROM' | 'LEASEHOLD_BASE_URL' | 'LEASEHOLD_JWT_KEYS'): string => {
    const value = data[name];
    if (value === undefined) throw new Error(`${name}: is not set, and mail (LEASEHOLD_SMTP_URL) needs it; see docs/configuration.md`);
    return value;
  };
  return {
    smtpUrl: data.LEASEHOLD_SMTP_URL,
    from: needed('LEASEHOLD_MAIL_FROM'),
    baseUrl: needed('LEASEHOLD_BASE_URL').replace(/\/+$/, ''),
    perAddressADay: data.LEASEHOLD_MAIL_PER_ADDRESS_A_DAY,
    jwt: JwtSigner.parse(needed('LEASEHOLD_JWT_KEYS')),
  };
}

export interface NotificationPart {
  worker: Worker;
  /** Once resources can be made. */
  start(): void;
  close(): Promise<void>;
}

/** @throws Error with one line that names the variable. */
export async function createNotificationPart(process: WorkerProcess, env: NodeJS.ProcessEnv, codePath: string): Promise<NotificationPart> {
  const { config, keyring, logger, registry, client } = process;
  const data = readConfig(env);
  const mail = mailSettings(data);
  const pool = createPool({ url: config.databaseUrl, applicationName: 'leasehold-notification', max: CONNECTIONS });
  const allowedCidrs = data.LEASEHOLD_EGRESS_CIDRS.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const notifications = createNotifications({
    pool,
    databaseUrl: config.databaseUrl,
    keyring,
    egress: createEgress({ allowedCidrs }),
    registry,
    logger,
    mail,
    maximumAttempts: data.LEASEHOLD_NOTIFY_ATTEMPTS,
    perTarget: data.LEASEHOLD_NOTIFY_PER_RECEIVER,
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
