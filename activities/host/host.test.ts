import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Turns } from '../turns';
import { countFailures, RAN_WELL_MS, restartDelayMs } from './backoff';
import { diskBytes, readIfThere, writeWhole } from './files';
import { parseLaunchRecord, parseStat } from './identity';
import { addressSpaceBytes, launchCommand, limitArguments, sandboxArguments, specDigest } from './launch';
import { rotateLog } from './logs';
import { HostRecords } from './records';
import type { HostProcessSpec } from './types';
import { UserIds } from './users';

const SPEC: HostProcessSpec = {
  kind: 'redis',
  objectName: 'lhaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbb',
  command: '/opt/redis/redis-server',
  args: ['/host/config/a/redis.conf'],
  environment: { TOKEN: 'a-secret-of-the-process', PATH: '/usr/bin' },
  port: 42_000,
  memoryLimitBytes: 64 * 1024 * 1024,
  maxProcesses: 24,
  maxOpenFiles: 1_064,
};

const PLACE = {
  lockFile: '/host/run/a.lock',
  processFile: '/host/run/a.process',
  directory: '/host/objects/a',
  configDirectory: '/host/config/a',
  groupFiles: ['/sys/fs/cgroup/memory/leasehold/one/a/cgroup.procs'],
  uid: 200_001,
  sandboxed: true,
  capAddressSpace: false,
};

describe('when what died is started again', () => {
  test('at once first, then ever later, never later than half a minute', () => {
    expect([1, 2, 3, 4].map(restartDelayMs)).toEqual([100, 200, 400, 800]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), (failures) => {
        expect(restartDelayMs(failures + 1)).toBeGreaterThanOrEqual(restartDelayMs(failures));
        expect(restartDelayMs(failures)).toBeLessThanOrEqual(30_000);
      }),
    );
  });

  test('whatever ran well for a while begins anew', () => {
    expect(countFailures(7, RAN_WELL_MS - 1)).toBe(8);
    expect(countFailures(7, RAN_WELL_MS)).toBe(1);
  });
});

describe('which process it is', () => {
  test('a command with blanks and brackets shifts no field', () => {
    const stat = (command: string) => `4711 (${command}) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 12 13`;
    expect(parseStat(stat('redis-server'))).toEqual({ pid: 4711, state: 'S', startTicks: '987654' });
    fc.assert(
      fc.property(fc.string({ maxLength: 15 }), (command) => {
        fc.pre(!command.includes('\n'));
        expect(parseStat(stat(command))).toEqual({ pid: 4711, state: 'S', startTicks: '987654' });
      }),
    );
  });

  test('a record that was written half is none', () => {
    const whole = 'boot\ndigest\n4711 (sh) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 12 13\n';
    expect(parseLaunchRecord(whole)).toEqual({ pid: 4711, startTicks: '987654', bootId: 'boot', specDigest: 'digest' });
    for (let length = 0; length < whole.indexOf('987654'); length += 1) expect(parseLaunchRecord(whole.slice(0, length))).toBeNull();
  });
});

describe('how it is launched', () => {
  test('no secret is an argument', () => {
    const { command, args } = launchCommand(SPEC, PLACE);
    expect([command, ...args].join(' ')).not.toContain('a-secret-of-the-process');
  });

  test('the groups are joined and the limits set before rights are dropped, and that before the program', () => {
    const { command, args } = launchCommand(SPEC, PLACE);
    const order = ['/bin/sh', PLACE.groupFiles[0], 'prlimit', 'bwrap', 'setpriv', SPEC.command].map((part) => args.indexOf(part ?? ''));
    expect(command).toBe('flock');
    expect(order.every((index) => index >= 0)).toBe(true);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(args).toEqual(
      expect.arrayContaining(['--reuid=200001', '--regid=200001', '--clear-groups', '--bounding-set=-all', '--no-new-privs']),
    );
  });

  test('limits: processes only where the user is its own, address space only where no group caps memory', () => {
    expect(limitArguments(SPEC, PLACE)).toEqual(['prlimit', '--core=0', '--nofile=1064', '--nproc=24']);
    expect(limitArguments({ ...SPEC, maxFileBytes: 5 }, PLACE)).toContain('--fsize=5');
    expect(limitArguments(SPEC, { uid: null, capAddressSpace: true })).toEqual([
      'prlimit',
      '--core=0',
      '--nofile=1064',
      `--as=${addressSpaceBytes(SPEC.memoryLimitBytes)}`,
    ]);
  });

  test('the sandbox shows the object its own folders, and its configuration read-only', () => {
    const args = sandboxArguments(SPEC, PLACE, ['--ro-bind', '/usr', '/usr']).join(' ');
    expect(args).toContain('--ro-bind /host/config/a /host/config/a');
    expect(args).toContain('--bind /host/objects/a /host/objects/a');
    expect(args).toContain('--ro-bind /opt/redis /opt/redis');
    expect(args).not.toMatch(/--(ro-)?bind \/(host|host\/objects|host\/config|proc|etc|home|root|var)? /);
    expect(args).not.toContain('--proc');
  });

  test('the digest tells specs apart, but not by memory or by the order of variables', () => {
    expect(specDigest({ ...SPEC, memoryLimitBytes: 1, maxFileBytes: 1 })).toBe(specDigest(SPEC));
    expect(specDigest({ ...SPEC, environment: { PATH: '/usr/bin', TOKEN: 'a-secret-of-the-process' } })).toBe(specDigest(SPEC));
    const changes: Partial<HostProcessSpec>[] = [
      { args: ['other'] },
      { environment: { TOKEN: 'x', PATH: '/usr/bin' } },
      { port: 1 },
      { command: '/x' },
      { maxProcesses: 1 },
      { maxOpenFiles: 1 },
      { readOnlyPaths: ['/x'] },
    ];
    const digests = changes.map((change) => specDigest({ ...SPEC, ...change }));
    expect(new Set([...digests, specDigest(SPEC)]).size).toBe(changes.length + 1);
  });
});

describe('users', () => {
  test('never two objects with one, and a freed one is the last to be taken again', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (takes) => {
        const users = new UserIds({ first: 100, last: 109 }, [103]);
        const held: number[] = [103];
        for (const take of takes) {
          const freed = take ? undefined : held.shift();
          if (freed !== undefined) users.free(freed);
          else if (held.length === 10) expect(() => users.take()).toThrow('taken');
          else {
            const uid = users.take();
            expect(held).not.toContain(uid);
            expect(uid).toBeGreaterThanOrEqual(100);
            expect(uid).toBeLessThanOrEqual(109);
            held.push(uid);
          }
        }
      }),
    );
    const users = new UserIds({ first: 100, last: 102 }, []);
    const first = users.take();
    users.free(first);
    expect([users.take(), users.take(), users.take()]).toEqual([101, 102, first]);
  });
});

describe('turns', () => {
  test('one after the other for a name, whatever fails, and side by side for two', async () => {
    const turns = new Turns();
    const events: string[] = [];
    const slow = turns.take('a', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      events.push('a1');
      throw new Error('failed');
    });
    const next = turns.take('a', async () => events.push('a2'));
    const other = turns.take('b', async () => events.push('b'));
    await expect(slow).rejects.toThrow('failed');
    await Promise.all([next, other]);
    await turns.quiet();
    expect(events).toEqual(['b', 'a1', 'a2']);
  });
});

describe('files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'leasehold-files-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('are whole or not there, private, and never written through a link that lies in the way', async () => {
    const outside = join(folder, 'outside');
    writeFileSync(outside, 'untouched');
    const path = join(folder, 'state.json');
    symlinkSync(outside, path);
    await writeWhole(path, 'content', { mode: 0o600, durable: true });
    expect(await readFile(outside, 'utf8')).toBe('untouched');
    expect(await readIfThere(path)).toBe('content');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(['outside', 'state.json']);
    expect(await diskBytes(folder)).toBeGreaterThan(0);
  });

  test('a log that grew is kept once and emptied in place', async () => {
    const log = join(folder, 'a.log');
    writeFileSync(log, 'x'.repeat(150));
    expect(await rotateLog(log, 100)).toBe(true);
    expect((await stat(log)).size).toBe(0);
    expect((await stat(`${log}.1`)).size).toBe(150);
    expect(await rotateLog(log, 100)).toBe(false);
    await truncate(log, 10_000);
    expect(await rotateLog(log, 100)).toBe(true);
    expect((await stat(`${log}.1`)).size).toBe(150);
  });

  test('a record comes back as it was written; what is none stops the start', async () => {
    const records = new HostRecords(folder);
    await records.prepare();
    const record = { objectName: SPEC.objectName, uid: 200_001, desired: 'running' as const, spec: SPEC };
    await records.write(record);
    expect(await records.readAll()).toEqual([record]);
    expect((await stat(records.pathsOf(SPEC.objectName).stateFile)).mode & 0o777).toBe(0o600);
    writeFileSync(records.pathsOf('another').stateFile, '{"desired":"sleeping"}');
    await expect(records.readAll()).rejects.toThrow('cannot be read');
  });

  test.each(['../x', 'a/b', '', '.', 'A', 'x'.repeat(64)])('%j is no name of an object', (name) => {
    expect(() => new HostRecords(folder).pathsOf(name)).toThrow('not an object name');
  });
});
