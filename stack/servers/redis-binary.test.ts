import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findRedis } from './redis-binary';

let folder: string;
const path = process.env.PATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leasehold-redis-'));
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says of itself what a server of that version says. */
function server(name: string, says: string): string {
  const file = join(folder, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho '${says}'\n`);
  chmodSync(file, 0o755);
  return file;
}

const find = (options: { binary?: string } = {}) => findRedis({ cacheDir: join(folder, 'cache'), ...options });

describe('the redis server', () => {
  it('named by the environment is taken when it is new enough', async () => {
    const binary = server('mine', 'Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1');
    expect(await find({ binary })).toEqual({ path: binary, version: '8.0.1' });
  });

  it('named by the environment is refused in one line when it is old or does not run', async () => {
    const binary = server('old', 'Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64 build=1');
    await expect(find({ binary })).rejects.toThrow('LEASEHOLD_REDIS_SERVER is version 6.2.14: 7.0 or newer is needed');
    await expect(find({ binary: join(folder, 'none') })).rejects.toThrow('does not run: point it at redis-server or valkey-server');
  });

  it('on PATH is passed over when it is old, for the next one', async () => {
    server('redis-server', 'Redis server v=6.0.16 sha=0 malloc=libc bits=64 build=1');
    const newer = server('valkey-server', 'Valkey server v=7.2.8 sha=0 malloc=libc bits=64 build=1');
    process.env.PATH = folder;
    expect(await find()).toEqual({ path: newer, version: '7.2.8' });
  });
});

describe('a package of the distribution', () => {
  it('that lacks libraries of the system starts through a script of its own', async () => {
    // What an unpacked package looks like: the server works only with the libraries beside it.
    const root = join(folder, 'cache', `redis-debian-${process.arch}`);
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    mkdirSync(join(root, 'usr/lib/somewhere'), { recursive: true });
    writeFileSync(join(root, 'usr/lib/somewhere/libneeded.so.2'), '');
    const binary = join(root, 'usr/bin/redis-server');
    const checks = `case "$LD_LIBRARY_PATH" in */usr/lib/somewhere) echo 'Redis server v=7.0.15 sha=0';; *) exit 127;; esac`;
    writeFileSync(binary, `#!/bin/sh\n${checks}\n`);
    chmodSync(binary, 0o755);
    process.env.PATH = join(folder, 'nothing');
    const found = await find();
    expect(found).toMatchObject({ path: join(root, 'redis-server'), version: '7.0.15' });
    expect(readFileSync(found.path, 'utf8')).toContain(`exec '${binary}' "$@"`);
  });
});
