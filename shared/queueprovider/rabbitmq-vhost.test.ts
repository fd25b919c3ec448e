import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { limitsOfVhost, newRabbitmqVhost, queueShare, rabbitmqVhostTags, readRabbitmqVhostTags } from './rabbitmq-vhost';

const figure = fc.integer({ min: -1, max: 2 ** 45 });
const state = fc.record({
  connections: figure,
  storageBytes: figure,
  queues: figure,
  newestVersion: fc.nat(),
  isCut: fc.boolean(),
  isReadOnly: fc.boolean(),
  isComplete: fc.boolean(),
});

test('what the tags say is what was written, in whatever order the server has them', () => {
  fc.assert(
    fc.property(state, (given) => {
      const tags = rabbitmqVhostTags(given);
      expect(readRabbitmqVhostTags(tags)).toEqual(given);
      expect(readRabbitmqVhostTags([...tags].reverse())).toEqual(given);
      // The server splits its list of tags at commas.
      expect(tags.join('')).not.toMatch(/[,\s]/);
    }),
  );
});

test('tags of somebody else are no state', () => {
  expect(readRabbitmqVhostTags([])).toBeNull();
  expect(readRabbitmqVhostTags(['production'])).toBeNull();
  const tags = rabbitmqVhostTags(newRabbitmqVhost({ storageBytes: 1, connections: 1, streams: 1, consumersPerStream: 1, messageBytes: 1 }));
  expect(readRabbitmqVhostTags(tags.slice(1))).toBeNull();
  expect(readRabbitmqVhostTags(tags.map((tag) => tag.replace(/:.*/, ':many')))).toBeNull();
});

test('all queues together hold no more than the storage', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 45), fc.integer({ min: 1, max: 10_000 }), (storageBytes, queues) => {
      const share = queueShare({ storageBytes, queues });
      expect((share?.maxLengthBytes ?? Number.NaN) * queues).toBeLessThanOrEqual(storageBytes);
      expect(share?.maxLength).toBe(Math.ceil((share?.maxLengthBytes ?? 0) / 1024));
    }),
  );
});

test('no storage, no share; no limit of storage, no limit of a queue', () => {
  expect(queueShare({ storageBytes: 0, queues: 10 })).toEqual({ maxLengthBytes: 0, maxLength: 0 });
  expect(queueShare({ storageBytes: -1, queues: 10 })).toBeNull();
});

test('of the plan’s limits the server is told connections, storage and queues', () => {
  const limits = { storageBytes: 5, connections: 4, streams: 3, consumersPerStream: 2, messageBytes: 1 };
  expect(limitsOfVhost(limits)).toEqual({ storageBytes: 5, connections: 4, queues: 3 });
});
