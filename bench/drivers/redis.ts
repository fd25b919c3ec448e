import { Redis } from 'ioredis';
import { CONNECT_MS, type KindDriver } from './types';

export const redisDriver: KindDriver = {
  kind: 'redis',
  driver: 'ioredis',
  async open({ connection_url, key_prefix = '' }) {
    const redis = new Redis(connection_url, {
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      // A wrong password is noticed by ioredis only later on, as an event.
      await redis.ping();
    } catch (error) {
      redis.disconnect();
      throw error;
    }
    const key = `${key_prefix}kept`;
    return {
      async ping() {
        await redis.ping();
      },
      async write(value) {
        await redis.set(key, value);
      },
      async read() {
        return (await redis.get(key)) ?? '';
      },
      async close() {
        redis.disconnect();
      },
    };
  },
};
