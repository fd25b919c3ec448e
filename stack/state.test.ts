import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { identify, isRunning, terminate } from './process-identity';
import { acquireLock, findSupervisor, readState, updateState } from './state';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'leasehold-state-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('state', () => {
  it('is empty at first and keeps what is written, for us alone', () => {
    expect(readState(home)).toEqual({ ports: {}, processes: {} });
    updateState(home, (state) => {
      state.ports.temporal = 20_001;
    });
    expect(readState(home).ports).toEqual({ temporal: 20_001 });
    expect(statSync(join(home, 'state', 'stack.json')).mode & 0o777).toBe(0o600);
  });

  it('refuses a broken file in one line instead of forgetting the ports', () => {
    updateState(home, () => {});
    writeFileSync(join(home, 'state', 'stack.json'), '{');
    expect(() => readState(home)).toThrow(/^[^\n]*stack\.json cannot be read[^\n]*$/);
  });
});

describe('lock', () => {
  it('is held once, and free again after release', () => {
    const lock = acquireLock(home);
    expect(findSupervisor(home)?.pid).toBe(process.pid);
    expect(() => acquireLock(home)).toThrow(`already running (pid ${process.pid})`);
    lock.release();
    expect(findSupervisor(home)).toBeUndefined();
    acquireLock(home).release();
  });

  it('of a dead process, or of another with the same pid, is taken over', () => {
    for (const holder of [
      { pid: 4_000_000, startedAt: 'x' },
      { pid: process.pid, startedAt: 'another boot' },
    ]) {
      mkdirSync(join(home, 'state'), { recursive: true });
      writeFileSync(join(home, 'state', 'lock.json'), JSON.stringify(holder));
      expect(findSupervisor(home)).toBeUndefined();
      acquireLock(home).release();
    }
    expect(readdirSync(join(home, 'state'))).toEqual([]);
  });
});

describe('process identity', () => {
  it('follows a process to its end, by force when it does not listen', async () => {
    const child = spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)"], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const identity = identify(child.pid ?? 0);
    if (!identity) throw new Error('no identity');
    expect(isRunning(identity)).toBe(true);
    expect(isRunning({ ...identity, startedAt: 'another' })).toBe(false);
    await terminate(identity, [
      { signal: 'SIGTERM', waitMs: 100 },
      { signal: 'SIGKILL', waitMs: 2_000 },
    ]);
    expect(isRunning(identity)).toBe(false);
  });
});
