// What this job leaves running is found by its folder, also where a server renames itself, goes elsewhere or drops its environment.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const { processesOf } = require('../../scripts/leftovers.cjs') as { processesOf: (folder: string) => { pid: number }[] };

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leasehold-left-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** In a session of its own, as servers are started; `script` is given the folder in a way that leaves no trace of it. */
async function left(script: string, options: { env?: NodeJS.ProcessEnv; argv?: string[] } = {}): Promise<number> {
  const told = `process.stdin.once('data', (line) => { const folder = String(line); ${script}; console.log('ready') })`;
  const child = spawn(process.execPath, ['-e', `${told}; setInterval(() => {}, 1000)`, ...(options.argv ?? [])], {
    detached: true,
    cwd: '/',
    env: options.env ?? {},
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(child);
  child.stdin?.write(folder);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child.pid ?? 0;
}

test.each([
  ['its command line', () => left('', { argv: [join(folder, 'server.conf')] })],
  ['its working directory', () => left('process.chdir(folder)')],
  ['its environment, whatever it calls itself', () => left("process.title = 'epmd'; process.chdir('/')", { env: { HOME: folder } })],
  ['a file that it has open', () => left("require('node:fs').openSync(folder + '/log', 'w')")],
])('by %s', async (_how, start) => {
  expect(processesOf(folder)).toEqual([]);
  const pid = await start();
  expect(processesOf(folder).map((found) => found.pid)).toEqual([pid]);
});

test('not by anything else', async () => {
  await left('');
  expect(processesOf(folder)).toEqual([]);
});
