// Errors outside every promise chain, in a real process: the request they belong to gets its 500, the others their answers.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../harness/rows';

let child: ChildProcess;
let output = '';
let errors = '';
let base: string;

beforeAll(async () => {
  output = '';
  errors = '';
  child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'crashing-api.ts')], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8');
  });
  const port = await eventually(
    async () => /port (\d+)/.exec(output)?.[1],
    (found) => found !== undefined || child.exitCode !== null,
  );
  base = `http://127.0.0.1:${port}/api/v1/resources/3f0b2a52-6a39-5c0e-9d0d-0c6a3c1f5b1`;
});
afterAll(async () => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
});

const logged = () =>
  output
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { message: string; origin?: string; request_id?: string; error?: { stack?: string } });

it.each([
  ['a timer', '1', 'uncaughtException'],
  ['an emitter that nobody listens to', '2', 'uncaughtException'],
  ['a promise that nobody awaits', '3', 'unhandledRejection'],
  ['the next tick', '4', 'uncaughtException'],
])('%s: its request is answered 500, the others go on', async (_name, how, origin) => {
  const other = fetch(`${base}9`);
  const answer = await fetch(`${base}${how}`, { headers: { 'X-Request-ID': `crash-${how}` } });
  expect(answer.status).toBe(500);
  expect(await answer.json()).toMatchObject({ ok: false, error: 'internal_error', request_id: `crash-${how}` });
  expect((await other).status).toBe(401);
  expect((await fetch(`${base}9`)).status).toBe(401);
  // What the process wrote comes through a pipe, its answer through another way.
  const line = await eventually(
    async () => logged().find(({ message, request_id }) => request_id === `crash-${how}` && message === 'an error was not caught'),
    (found) => found !== undefined,
  );
  expect(line).toMatchObject({ origin, request_id: `crash-${how}` });
  expect(line?.error?.stack).toContain('crashing-api');
  expect(output + errors).not.toContain('hunter2');
});

it('an error of no request ends the process in order, and says why on standard error', async () => {
  const asked = () => output.split('\n').filter((line) => line === 'asked').length;
  const before = asked();
  const other = fetch(`${base}9`);
  await eventually(
    async () => asked(),
    (count) => count > before,
  );
  // Its output is whole only then.
  const exited = once(child, 'close');
  child.kill('SIGUSR2');
  expect((await other).status).toBe(401);
  expect(await exited).toEqual([1, null]);
  expect(errors).toContain('crashing api: uncaughtException: Error: cannot reach postgres://tenant:[REDACTED]@host/db');
  expect(output + errors).not.toContain('hunter2');
});
