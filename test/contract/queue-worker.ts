// A process that makes and removes queues without pause until it is killed; started by the tests.

import { openConnection } from '../../activities/queue/nats/connection';
import { createNatsProvider } from '../../activities/queue/nats/provider';
import { Nkey, queueLimits } from '../../shared/queueprovider';

export interface QueueWorkerArgument {
  adminUrl: string;
  url: string;
  names: string[];
}

async function main(): Promise<never> {
  const { adminUrl, url, names } = JSON.parse(process.env.LEASEHOLD_TEST_QUEUE_WORKER ?? '{}') as QueueWorkerArgument;
  const provider = createNatsProvider({ adminUrlOf: () => adminUrl, logger: { info() {}, warn() {}, error: console.error } });
  await provider.prepareServer('test');
  process.send?.('ready');
  for (;;) await Promise.all(names.map((objectName) => oneLife(objectName)));

  async function oneLife(objectName: string): Promise<void> {
    const tenant = { backendName: 'test', objectName };
    const credential = { version: 1, username: `${objectName}_1`, password: objectName };
    await provider.issueCredential({ ...tenant, credential, limits: queueLimits({ storageMb: 8 }) });
    const { nats_jwt: jwt = '', nats_nkey: seed = '' } = await provider.mintSecrets(tenant, credential);
    const client = await openConnection({ server: url, name: 'tenant', jwt, user: Nkey.fromSeed('user', seed) });
    const stream = { name: 'left', subjects: ['left'], storage: 'file', retention: 'limits', num_replicas: 1, max_bytes: 65_536 };
    await client.request('$JS.API.STREAM.CREATE.left', JSON.stringify(stream));
    await client.request('left', 'a message');
    await client.close();
    await provider.remove(tenant);
  }
}

void main();
