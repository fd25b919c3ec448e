import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { buildInfo, readBuildInfo } from './index';

describe('buildInfo', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'buildinfo-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is dev with the version of package.json when running from source', () => {
    expect(buildInfo()).toEqual({ commitId: 'dev', buildTime: 'dev', version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(buildInfo()).toBe(buildInfo());
  });

  it('is what the build stamped', () => {
    const stamp = { commitId: 'abc', buildTime: '2030-01-01T00:00:00.000Z', version: '1.2.3' };
    writeFileSync(join(folder, 'build-info.json'), JSON.stringify(stamp));
    expect(readBuildInfo(folder)).toEqual(stamp);
  });

  it('falls back for what is missing or broken', () => {
    expect(readBuildInfo(folder)).toEqual({ commitId: 'dev', buildTime: 'dev', version: '0.0.0' });
    writeFileSync(join(folder, 'build-info.json'), '{');
    writeFileSync(join(folder, 'package.json'), '{"version":"9.9.9"}');
    expect(readBuildInfo(folder)).toEqual({ commitId: 'dev', buildTime: 'dev', version: '9.9.9' });
  });
});
