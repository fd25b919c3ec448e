import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { builtFerretdb, findFerretdb } from './ferretdb';

let folder: string;
const { PATH } = process.env;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leasehold-ferretdb-'));
  // Neither Go nor a FerretDB, but a shell.
  mkdirSync(join(folder, 'bin'));
  process.env.PATH = join(folder, 'bin');
});
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(folder, { recursive: true, force: true });
});

function program(path: string, lines: string[]): string {
  writeFileSync(path, `#!/bin/sh\n${lines.map((line) => `echo '${line}'`).join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

const PATCHED = ['version: v1.24.0', 'package: leasehold-1'];
const STOCK = ['version: v1.24.0', 'package: unknown'];

describe('FerretDB', () => {
  test('is the one that is named', async () => {
    const binary = program(join(folder, 'mine'), PATCHED);
    expect(await findFerretdb({ cacheDir: folder, binary })).toEqual({ path: binary, version: '1.24.0+leasehold-1' });
  });

  test('one without our patch is refused where it is named, and passed over on PATH', async () => {
    const binary = program(join(folder, 'bin', 'ferretdb'), STOCK);
    await expect(findFerretdb({ cacheDir: folder, binary })).rejects.toThrow('1.24.0+leasehold-1 is needed');
    await expect(findFerretdb({ cacheDir: folder })).rejects.toThrow('install Go 1.22 or newer, or give LEASEHOLD_FERRETDB_BIN');
  });

  test('one that does not run is refused', async () => {
    await expect(findFerretdb({ cacheDir: folder, binary: join(folder, 'nothing') })).rejects.toThrow('does not run');
  });

  test('a built one is used again', async () => {
    const path = builtFerretdb(folder);
    mkdirSync(join(path, '..'), { recursive: true });
    program(path, PATCHED);
    expect(await findFerretdb({ cacheDir: folder })).toMatchObject({ path });
  });

  test('an old Go is told apart from none', async () => {
    program(join(folder, 'bin', 'go'), ['go1.20.1']);
    await expect(findFerretdb({ cacheDir: folder })).rejects.toThrow('here is go1.20.1: upgrade it');
  });
});
