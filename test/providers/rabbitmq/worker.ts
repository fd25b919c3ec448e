// A process that makes and removes queues without pause until it is killed; started by the tests.
import { createRabbitmqProvider } from '../../../activities/queue/rabbitmq/provider';
import { parseRabbitmqAdminUrl, queueLimits } from '../../../shared/queueprovider';
import { hangUp, logIn, onChannel, publishKept } from './session';

export interface RabbitmqWorkerArgument {
  adminUrl: string;
  names: string[];
}

async function main(): Promise<never> {
  const { adminUrl, names } = JSON.parse(process.env.LEASEHOLD_TEST_QUEUE_WORKER ?? '{}') as RabbitmqWorkerArgument;
  const { amqp } = parseRabbitmqAdminUrl(adminUrl);
  const provider = createRabbitmqProvider({ adminUrlOf: () => adminUrl, logger: { info() {}, warn() {}, error: console.error } });
  await provider.prepareServer('test');
  process.send?.('ready');
  for (;;) await Promise.all(names.map((objectName) => oneLife(objectName)));

  async function oneLife(objectName: string): Promise<void> {
    const tenant = { backendName: 'test', objectName };
    const credential = { version: 1, username: `${objectName}_1`, password: objectName };
    await provider.issueCredential({ ...tenant, credential, limits: queueLimits({ storageMb: 8 }) });
    const client = await logIn(`${amqp.replace('//', `//${credential.username}:${credential.password}@`)}/${objectName}`);
    await onChannel(client, (channel) => publishKept(channel, 'left', Buffer.from('a message')));
    await hangUp(client);
    await provider.remove(tenant);
  }
}

void main();
