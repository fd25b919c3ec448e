// A start that cannot succeed says why in one line, ends with 1 and leaves nothing running.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findFreePort } from '../../stack/ports';
import { makeTemporaryHome, processesOf, ROOT, run, writeSecondsPlans } from '../harness/stack';

let home: string;
beforeEach(() => {
  home = makeTemporaryHome();
});
afterEach(async () => {
  await stack('reset', {}, '--yes');
  rmSync(home, { recursive: true, force: true });
});

async function stack(command: string, env: NodeJS.ProcessEnv, ...args: string[]) {
  const port = String(await findFreePort());
  const cache = process.env.LEASEHOLD_CACHE ?? join(ROOT, '.leasehold/cache');
  return run(process.execPath, [join(ROOT, 'dist/stack/processes/stack.js'), command, ...args], {
    env: { ...process.env, LEASEHOLD_HOME: home, LEASEHOLD_CACHE: cache, PORT: port, ...env },
  });
}

async function failedStart(env: NodeJS.ProcessEnv): Promise<string> {
  const { code, stderr } = await stack('start', env);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^leasehold: .+\n$/);
  expect(stderr.split('\n')).toHaveLength(2);
  expect(processesOf(home)).toEqual([]);
  return stderr;
}

function plansWith(change: (text: string) => string): string {
  const file = join(home, 'plans.yaml');
  writeSecondsPlans(file);
  const text = change(readFileSync(file, 'utf8'));
  writeFileSync(file, text);
  return file;
}

describe('a start that cannot succeed', () => {
  it('names the port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect(await failedStart({ PORT: String(port) })).toContain(`port ${port} on 127.0.0.1 is taken by another program`);
    } finally {
      server.close();
    }
  });

  it.each([
    ['an unknown key', (text: string) => text.replace(/^pool:/m, 'pool_size: 8\npool:'), 'pool_size'],
    ['a wrong type', (text: string) => text.replace(/provisions_per_day: 5/, 'provisions_per_day: many'), 'provisions_per_day'],
    ['no anonymous plan', (text: string) => text.replace(/^ {2}anonymous:/m, '  nobody:'), 'anonymous'],
    ['what is not YAML', (text: string) => `${text}\n  - [`, ''],
  ])('names line and reason of plans with %s', async (_what, change, word) => {
    const file = plansWith(change);
    const line = await failedStart({ LEASEHOLD_PLANS: file });
    expect(line).toMatch(/plans\.yaml:\d+|line \d+/);
    expect(line).toContain(word);
  });

  it('names the tool that is missing, and stops what it had started', async () => {
    const tools = join(home, 'tools');
    mkdirSync(tools);
    for (const tool of ['id', 'useradd']) {
      const folder = (process.env.PATH ?? '').split(delimiter).find((path) => existsSync(join(path, tool)));
      if (folder) symlinkSync(join(folder, tool), join(tools, tool));
    }
    const line = await failedStart({ PATH: tools, LEASEHOLD_CACHE: join(home, 'empty-cache'), LEASEHOLD_TEMPORAL_BIN: '' });
    expect(line).toContain('install python3-pip');
  });

  it('names the backends file that is missing', async () => {
    expect(await failedStart({ LEASEHOLD_BACKENDS: join(home, 'none.yaml') })).toContain('LEASEHOLD_BACKENDS');
  });
});
