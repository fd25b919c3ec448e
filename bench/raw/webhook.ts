import { randomBytes } from 'node:crypto';
import { InboxStore, inboxLimits } from '../../shared/inbox';
import { DRIVERS, type Granted } from '../drivers';
import type { BenchStack } from '../stack';
import type { RawContext, RawKind } from './types';

/** An inbox's rows with its token, and a request that the receiver stores. */
export function rawInbox(stack: BenchStack, { adminUrl: receiver }: RawContext): RawKind {
  const url = stack.adminUrl('LEASEHOLD_INBOX_URL') ?? '';
  const store = new InboxStore({ url, redisUrl: stack.adminUrl('LEASEHOLD_REDIS_URL'), applicationName: 'bench-raw' });
  const made: string[] = [];
  return {
    async make() {
      const objectName = `bench_${randomBytes(12).toString('hex')}`;
      const token = randomBytes(24).toString('base64url');
      made.push(objectName);
      const limits = inboxLimits({ requestsStored: 100 });
      await store.registry.establish({ objectName, version: 1, token, limits }, { allowed: async () => true });
      const session = await DRIVERS.webhook.open({ receive_url: `${receiver}/webhook/receive/${token}` } as Granted);
      await session.ping();
    },
    async removeAll() {
      for (const objectName of made.splice(0)) await store.registry.remove(objectName, {});
    },
    close: () => store.close(),
  };
}
