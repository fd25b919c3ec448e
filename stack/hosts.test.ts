import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { localHosts } from './hosts';
import { readSettings } from './settings';
import { stageOf } from './stop-order';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-hosts-'));
  writeFileSync(
    join(home, 'backends.yaml'),
    `hosts:
  - { name: here, region: local, address: 127.0.0.1, ports: 18000-18099 }
  - { name: there, region: local, address: 203.0.113.7, ports: 18000-18099 }
  - { name: also-here, region: local, address: localhost, ports: 18100-18199 }
backends:
  - { name: a, kind: redis, region: local, capacity: 1, weight: 1, host: here }
  - { name: b, kind: mongodb, region: local, capacity: 1, weight: 1, host: there }
  - { name: c, kind: mongodb, region: local, capacity: 1, weight: 1, host: also-here }
`,
  );
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const settingsOf = (env: NodeJS.ProcessEnv = {}) =>
  readSettings({ LEASEHOLD_HOME: home, LEASEHOLD_BACKENDS: join(home, 'backends.yaml'), ...env }, '/app');

describe('hosts of this machine', () => {
  it('are those that tenants reach on loopback, each with users of its own', () => {
    const hosts = localHosts(settingsOf());
    expect(hosts.map(({ name }) => name)).toEqual(['here', 'also-here']);
    expect(new Set(hosts.map(({ directory }) => directory)).size).toBe(2);
    const [first, second] = hosts;
    expect(second?.firstUid).toBeGreaterThan(first?.lastUid ?? Number.NaN);
  });

  it('are only those that a wanted kind stands on', () => {
    expect(localHosts(settingsOf({ LEASEHOLD_KINDS: 'postgres,mongodb' })).map(({ name }) => name)).toEqual(['also-here']);
  });

  it('are those that are named, with the same users whoever is named beside them', () => {
    const [there] = localHosts(settingsOf({ LEASEHOLD_HOSTS: 'there' }));
    const [, second] = localHosts(settingsOf({ LEASEHOLD_HOSTS: 'here,there' }));
    expect(there?.name).toBe('there');
    expect(second).toEqual(there);
    expect(() => localHosts(settingsOf({ LEASEHOLD_HOSTS: 'elsewhere' }))).toThrow('LEASEHOLD_HOSTS names elsewhere');
  });
});

describe('the order of stopping', () => {
  it('ends callers first and what they stand on last', () => {
    expect(['seaweedfs', 'temporal', 'host-local', 'receiver', 'postgres-tenants', 'worker', 'api', 'relay'].map(stageOf)).toEqual([
      'servers',
      'workflows',
      'workers',
      'edge',
      'servers',
      'workers',
      'edge',
      'workflows',
    ]);
  });
});
