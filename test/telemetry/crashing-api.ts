// Run as `node --import tsx crashing-api.ts`: the real app in a process of its own, guarded as ours are, over a store whose answers
// throw where no promise chain sees it: the last digit of the id says how.
import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeStore, fakeApp } from '../../api/testing/fakes';
import { createLogger } from '../../shared/logctx';
import { guardProcess } from '../../shared/uncaught';

const broken = () => new Error('cannot reach postgres://tenant:hunter2@host/db');

function crash(how: string): void {
  const throwing = () => {
    throw broken();
  };
  if (how === '1') setTimeout(throwing, 5);
  if (how === '2') setImmediate(() => new EventEmitter().emit('error', broken()));
  if (how === '3') void Promise.reject(broken());
  if (how === '4') process.nextTick(throwing);
}

class CrashingStore extends FakeStore {
  override async find(key: { id: string; tokenHash: string | null }) {
    const how = key.id.slice(-1);
    if (how === '9') {
      process.stdout.write('asked\n');
      await sleep(300);
      return await super.find(key);
    }
    crash(how);
    return await new Promise<never>(() => undefined);
  }
}

const server = createServer(fakeApp({ store: new CrashingStore() }).app);
const end = () => server.close(() => process.exit(1));
guardProcess({ name: 'crashing api', logger: createLogger({ process: 'api' }), end });
process.on('SIGUSR2', () => crash('1'));
server.listen(0, '127.0.0.1', () => process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`));
