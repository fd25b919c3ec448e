import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSeaweedfs } from './seaweedfs-binary';

let folder: string;
const script = (name: string, output: string): string => {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho "${output}"\n`);
  chmodSync(path, 0o755);
  return path;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'leasehold-weed-binary-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('findSeaweedfs', () => {
  it.each([
    ['version 30GB 4.49 abcdef linux amd64', '4.49'],
    ['version 8000GB 4.48 pypi linux amd64', '4.48'],
    ['version 8000GB 5.1 enterprise darwin arm64', '5.1'],
  ])('takes the named binary that says %j', async (output, version) => {
    const binary = script(`weed-${version}`, output);
    expect(await findSeaweedfs({ cacheDir: folder, binary })).toEqual({ path: binary, version });
  });

  it('says what is wrong with the named binary', async () => {
    await expect(findSeaweedfs({ cacheDir: folder, binary: script('weed-old', 'version 30GB 4.47 x linux amd64') })).rejects.toThrow(
      'LEASEHOLD_WEED_BIN is version 4.47: 4.48 or newer is needed',
    );
    await expect(findSeaweedfs({ cacheDir: folder, binary: join(folder, 'nothing') })).rejects.toThrow(/does not run/);
  });
});
