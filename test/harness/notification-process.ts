// Run as `node --import tsx notification-process.ts`, with an IPC channel: lifecycle and notices in a process of their own, which the test kills.
import { createPool } from '../../shared/db';
import { createLifecycle } from './lifecycle';
import { startNotifications } from './notification';
import { createRecordingBackend } from './recording-backend';

export interface NotificationProcessOptions {
  namespace: string;
  appUrl: string;
  installationId: string;
  smtpUrl: string;
}

async function main({ namespace, appUrl, installationId, smtpUrl }: NotificationProcessOptions): Promise<void> {
  const pool = createPool({ url: appUrl, applicationName: 'notification-process', max: 10 });
  const lifecycle = await createLifecycle({ database: { pool, installationId }, backend: createRecordingBackend(), namespace });
  await lifecycle.startWorkers();
  await startNotifications({ database: { appUrl }, lifecycle, smtpUrl });
  process.send?.('ready');
}

if (require.main === module) {
  process.once('disconnect', () => process.exit(0));
  main(JSON.parse(process.env.LEASEHOLD_TEST_NOTIFICATION ?? '{}') as NotificationProcessOptions).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
