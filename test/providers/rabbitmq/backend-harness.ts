// The queue backend over a real RabbitMQ, and what a test needs to stand on both sides of it.
import type { ProvisionRequest } from '../../../activities/backend';
import { type QueueRoomHarness, queueRoom } from '../../contract/queue-room';
import { type RabbitmqTestServer, startRabbitmq } from './server';
import { openSession } from './session';

export interface RabbitmqHarness extends QueueRoomHarness {
  server: RabbitmqTestServer;
  urlOf(request: ProvisionRequest, version?: number): string;
}

export async function startRabbitmqBackend(): Promise<RabbitmqHarness> {
  const server = await startRabbitmq();
  const room = queueRoom(server.adminUrl, { engine: 'rabbitmq', authMode: 'isolated' });
  const urlOf: RabbitmqHarness['urlOf'] = (request, version) => server.urlOf(room.loginOf(request, version), request.objectName);
  return {
    ...room,
    server,
    urlOf,
    newRequest: (connections = 5) => room.newRequest({ connections, storageMb: 8 }),
    open: (request, version) => openSession(urlOf(request, version)),
    close: async () => {
      await room.backend.close().finally(server.destroy);
    },
  };
}
