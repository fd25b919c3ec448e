// One round of `npm run chaos -- providers`: the worker is killed while a resource of each provider is made, and while it is deleted.
import { expect, jest, test } from '@jest/globals';
import { PROVIDERS } from '../../bench/providers';
import { chaosOfProviders, groupsOf } from '../chaos/providers';

jest.setTimeout(600_000);

test('a worker that dies leaves nothing on any provider, loses nothing and doubles nothing', async () => {
  const lines: string[] = [];
  const report = await chaosOfProviders({ times: 1, say: (line) => lines.push(line) });
  expect(report.faults).toEqual([]);
  // Each provider was there, or a line says why not.
  const skipped = lines.filter((line) => line.includes('skipped: no server'));
  expect(report.held.length + skipped.length).toBe(PROVIDERS.length);
  expect(report.held.map(({ name }) => name)).toEqual(expect.arrayContaining(['nats', 'seaweedfs']));
});

test('in one wave every resource can be told where to go', () => {
  for (const group of groupsOf(PROVIDERS)) {
    const places = group.map(({ kind, asked }) => `${kind} ${JSON.stringify(asked)}`);
    expect(new Set(places).size).toBe(places.length);
  }
  expect(groupsOf(PROVIDERS).flat()).toHaveLength(PROVIDERS.length);
});
