// Real processes: made, ended, adopted by another host worker, held back by this machine's means.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestHost, type TestHost } from '../../test/harness/process-host';
import { openProcessHost } from './index';
import type { HostProcessSpec, ProcessHost } from './types';

const NAME = 'lhaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbb';
const asRoot = process.getuid?.() === 0;

let host: TestHost;
beforeEach(async () => {
  host = await startTestHost();
});
const workers: ChildProcess[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
  await host.destroy();
});

/** A server that says on its port what it finds out about itself; `script` may do more. */
async function specOf(script = '', change: Partial<HostProcessSpec> = {}): Promise<HostProcessSpec> {
  const objectName = change.objectName ?? NAME;
  const port = await host.processes.portFor(objectName);
  const server = `
    const net = require('node:net'); const fs = require('node:fs');
    const sockets = new Set();
    net.createServer((socket) => { socket.on('error', () => {}); socket.on('data', (data) => {
      try { socket.write(String(eval(data.toString())) + '\\n'); } catch (error) { socket.write('error ' + (error.code || error.message) + '\\n'); }
    }); }).listen(${port}, '127.0.0.1');
    ${script}`;
  return {
    kind: 'redis',
    objectName,
    command: process.execPath,
    args: ['-e', server],
    environment: { SECRET: 'of-this-object' },
    port,
    memoryLimitBytes: 256 * 1024 * 1024,
    maxProcesses: 40,
    maxOpenFiles: 256,
    ...change,
  };
}

/** A connection that stays; each question is a line of script in the process. */
async function talk(port: number, { attempts = 1_500 } = {}): Promise<{ ask: (question: string) => Promise<string>; close: () => void }> {
  for (let attempt = 1; ; attempt += 1) {
    const socket = connect({ host: '127.0.0.1', port });
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) {
      const ask = (question: string) =>
        new Promise<string>((resolve, reject) => {
          socket.once('data', (data) => resolve(data.toString().trim()));
          socket.once('close', () => reject(new Error('the connection was closed')));
          socket.write(question);
        });
      return { ask, close: () => socket.destroy() };
    }
    if (attempt === attempts) throw new Error(`nothing listens on ${port}`);
    await sleep(20);
  }
}

async function askOnce(port: number, question: string): Promise<string> {
  const { ask, close } = await talk(port);
  try {
    return await ask(question);
  } finally {
    close();
  }
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 2_400; attempt += 1) {
    if (await condition()) return;
    await sleep(25);
  }
  throw new Error('it did not come to that');
}

const pidOf = async (processes: ProcessHost): Promise<number> => (await processes.inspect(NAME)).pid ?? 0;

/** Its own pid or nobody's: 0 would be this whole test run. */
function killHard(pid: number): void {
  if (pid <= 1) throw new Error('it does not run');
  process.kill(pid, 'SIGKILL');
}

/** By its count: for a moment the launcher stands where the killed program was, with a pid of its own. */
const hasRestarted = async (processes: ProcessHost): Promise<boolean> => {
  const { state, restarts } = await processes.inspect(NAME);
  return state === 'running' && restarts === 1;
};

function programOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return 'ended since it was looked for';
  }
}

/** As soon as it answers: before that, its launcher may not have become it. */
async function runAndAsk(spec: HostProcessSpec): Promise<number> {
  await host.processes.run(spec);
  return Number(await askOnce(spec.port, 'process.pid'));
}

describe('running and ending', () => {
  test('run twice is one process; another spec is another one; stop keeps the data; remove leaves nothing', async () => {
    const { processes, options } = host;
    expect(await processes.inspect(NAME)).toEqual({ state: 'absent', pid: null, restarts: 0, memoryBytes: 0, diskBytes: 0 });
    const directory = await processes.directoryOf(NAME);
    const spec = await specOf();
    await Promise.all([processes.run(spec), runAndAsk(spec)]);
    const first = await pidOf(processes);
    expect(await askOnce(spec.port, `fs.writeFileSync('${directory}/kept', 'data'), process.env.SECRET`)).toBe('of-this-object');
    expect((await processes.inspect(NAME)).memoryBytes).toBeGreaterThan(1_000_000);
    await processes.run({ ...spec, memoryLimitBytes: spec.memoryLimitBytes * 2 });
    expect(await pidOf(processes)).toBe(first);

    await processes.run({ ...spec, environment: { SECRET: 'another' } });
    expect(await pidOf(processes)).not.toBe(first);
    expect(await askOnce(spec.port, 'process.env.SECRET')).toBe('another');

    await processes.stop(NAME);
    await processes.stop(NAME);
    expect(await processes.inspect(NAME)).toMatchObject({ state: 'stopped', pid: null });
    expect(readFileSync(join(directory, 'kept'), 'utf8')).toBe('data');
    expect(await processes.list('redis')).toEqual([NAME]);
    expect(await processes.list('mongodb')).toEqual([]);

    await processes.run(spec);
    const uid = statSync(directory).uid;
    await Promise.all([processes.remove(NAME), processes.remove(NAME)]);
    expect(await processes.list()).toEqual([]);
    const left = spawnSync('find', [options.directory, '-name', `*${NAME}*`], { encoding: 'utf8' }).stdout;
    expect(left).toBe('');
    if (asRoot) await until(() => spawnSync('pgrep', ['-U', String(uid)]).status === 1);
    await expect(talk(spec.port, { attempts: 1 }).then(() => 'listens')).rejects.toThrow('nothing listens');
  });

  test('what ends by itself is started again, ever later, until it is stopped', async () => {
    const { processes } = host;
    const spec = await specOf();
    await runAndAsk(spec);
    const before = await pidOf(processes);
    killHard(before);
    await until(() => hasRestarted(processes));
    expect(await pidOf(processes)).not.toBe(before);
    await askOnce(spec.port, '1');
    expect(await processes.inspect(NAME)).toMatchObject({ state: 'running', restarts: 1 });

    // Long enough to have been seen running, or its end would be one of the start.
    await processes.run({ ...spec, args: ['-e', 'setTimeout(() => process.exit(3), 200)'] }).catch(() => undefined);
    await until(async () => (await processes.inspect(NAME)).restarts >= 4);
    const { restarts } = await processes.inspect(NAME);
    await sleep(400);
    expect((await processes.inspect(NAME)).restarts - restarts).toBeLessThanOrEqual(1);
    await processes.stop(NAME);
    const stopped = (await processes.inspect(NAME)).restarts;
    await sleep(1_000);
    expect(await processes.inspect(NAME)).toMatchObject({ state: 'stopped', restarts: stopped });
  });

  test('what the process started dies with it, also what left its group', async () => {
    const { processes } = host;
    const spec = await specOf();
    await processes.run(spec);
    const child = Number(
      await askOnce(spec.port, `require('node:child_process').spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).pid`),
    );
    expect(existsSync(`/proc/${child}`)).toBe(true);
    await processes.remove(NAME);
    await until(() => !existsSync(`/proc/${child}`) || readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z '));
  });

  test('a port that something else sits on is not handed out', async () => {
    const taken = await host.processes.portFor('other');
    const blocker = spawn(process.execPath, ['-e', `require('node:net').createServer().listen(${taken}, '127.0.0.1')`]);
    await (await talk(taken)).close();
    expect(await host.processes.portFor('other')).not.toBe(taken);
    blocker.kill();
  });
});

describe('another host worker', () => {
  test('is refused while one has the folder', async () => {
    await expect(openProcessHost(host.options)).rejects.toMatchObject({ name: 'ProviderMisconfigured' });
  });

  test('adopts what runs, connections and all, and brings back what died meanwhile', async () => {
    const spec = await specOf();
    await runAndAsk(spec);
    const pid = await pidOf(host.processes);
    const open = await talk(spec.port);
    await host.reopen();
    expect(await open.ask('process.pid > 0')).toBe('true');
    expect(await pidOf(host.processes)).toBe(pid);
    await host.processes.run(spec);
    expect(await pidOf(host.processes)).toBe(pid);

    killHard(pid);
    await until(() => hasRestarted(host.processes));

    await host.processes.close();
    killHard(await pidOf(host.processes));
    host.processes = await openProcessHost(host.options);
    expect(await askOnce(spec.port, '1 + 1')).toBe('2');
  });

  test('a killed one leaves the tenants’ connections alone, and the next one has them all', async () => {
    await host.processes.close();
    const names = ['lhaaaaaaaa_cccccccccccccccccccccccc', 'lhaaaaaaaa_dddddddddddddddddddddddd'];
    const specs = [await specOf('', { objectName: names[0] }), await specOf('', { objectName: names[1] })];
    const worker = await startHostProcess(specs);
    const connections = await Promise.all(specs.map(({ port }) => talk(port)));
    const pids = await Promise.all(connections.map(({ ask }) => ask('process.pid')));
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGKILL');
    await gone;
    expect(await Promise.all(connections.map(({ ask }) => ask('process.pid')))).toEqual(pids);
    host.processes = await openProcessHost(host.options);
    for (const spec of specs) await host.processes.run(spec);
    expect(await Promise.all(connections.map(({ ask }) => ask('process.pid')))).toEqual(pids);
    expect(await host.processes.list('redis')).toEqual(names);
  });

  test('killed again and again while it starts and removes: one process at most, and nothing is left in the end', async () => {
    const spec = await specOf();
    await host.processes.close();
    for (let round = 0; round < 12; round += 1) {
      const worker = await startHostProcess([spec], { loop: true });
      await sleep(15 * round);
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      worker.kill('SIGKILL');
      await gone;
      const running = spawnSync('pgrep', ['-f', `listen\\(${spec.port}`], { encoding: 'utf8' })
        .stdout.split('\n')
        .filter(Boolean);
      const programs = running.filter((pid) => programOf(pid).startsWith('node'));
      expect(programs.length).toBeLessThanOrEqual(1);
    }
    host.processes = await openProcessHost(host.options);
    await host.processes.remove(NAME);
    await until(() => spawnSync('pgrep', ['-f', `listen\\(${spec.port}`]).status === 1);
    expect(spawnSync('find', [host.options.directory, '-name', `*${NAME}*`], { encoding: 'utf8' }).stdout).toBe('');
  });
});

/** A host worker of its own process; with `loop` it runs and removes until it dies. */
async function startHostProcess(specs: HostProcessSpec[], { loop = false } = {}): Promise<ChildProcess> {
  const { ports: _, logger: __, ...options } = host.options;
  const script = `
    import { openProcessHost } from ${JSON.stringify(join(__dirname, 'index.ts'))};
    const options = ${JSON.stringify(options)}; const specs = ${JSON.stringify(specs)};
    const ports = { claim: async (name) => specs.find((spec) => spec.objectName === name).port, release: async () => {} };
    const logger = { info() {}, warn() {}, error() {} };
    const main = async () => {
      const host = await openProcessHost({ ...options, ports, logger });
      for (const spec of specs) { await host.directoryOf(spec.objectName); await host.run(spec); }
      process.send('ready');
      while (${loop}) for (const spec of specs) {
        await host.remove(spec.objectName).catch(() => {});
        await host.run(spec).catch(() => {});
      }
      setInterval(() => {}, 1000);
    };
    main().catch((error) => { console.error(error); process.exit(1); });`;
  const file = join(host.options.directory, 'worker.mts');
  writeFileSync(file, script);
  const child = spawn(process.execPath, ['--import', require.resolve('tsx'), file], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  workers.push(child);
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', () => reject(new Error('the host worker ended')));
  });
  return child;
}

describe('what a process can reach', () => {
  const ownUsers = asRoot ? test : test.skip;

  ownUsers('its own user, no rights, no way to gain any; its configuration it can read and not change', async () => {
    const { processes } = host;
    const spec = await specOf();
    const config = await processes.writeConfig(NAME, 'server.conf', 'as written');
    const secret = await processes.writePrivate(NAME, 'state.json', 'for the host alone');
    await processes.run(spec);
    await askOnce(spec.port, '1');
    const status = readFileSync(`/proc/${await pidOf(processes)}/status`, 'utf8');
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^CapBnd:\s+0+$/m);
    expect(await askOnce(spec.port, 'process.getuid()')).toBe(String(statSync(await processes.directoryOf(NAME)).uid));
    expect(await askOnce(spec.port, `fs.readFileSync('${config}')`)).toBe('as written');
    expect(await askOnce(spec.port, `fs.writeFileSync('${config}', 'x')`)).toMatch(/^error (EROFS|EACCES)/);
    expect(await askOnce(spec.port, `fs.unlinkSync('${config}')`)).toMatch(/^error (EROFS|EACCES|EPERM)/);
    expect(await askOnce(spec.port, `fs.readFileSync('${secret}')`)).toMatch(/^error (ENOENT|EACCES)/);
    expect(await askOnce(spec.port, `fs.readFileSync('/etc/shadow')`)).toMatch(/^error (ENOENT|EACCES)/);
    expect(await processes.readConfig(NAME, 'state.json')).toBe('for the host alone');
    expect(await processes.readConfig(NAME, 'absent')).toBeNull();
  });

  ownUsers('not the neighbour: neither its folder nor its process nor its user', async () => {
    const neighbour = 'lhaaaaaaaa_eeeeeeeeeeeeeeeeeeeeeeee';
    const { processes } = host;
    const [mine, theirs] = [await specOf(), await specOf('', { objectName: neighbour })];
    const folder = await processes.directoryOf(neighbour);
    await processes.run(mine);
    await processes.run(theirs);
    const { pid } = await processes.inspect(neighbour);
    expect(await askOnce(mine.port, `fs.readdirSync('${folder}')`)).toMatch(/^error (ENOENT|EACCES)/);
    expect(await askOnce(mine.port, `process.kill(${pid}, 'SIGKILL')`)).toMatch(/^error (EPERM|ESRCH)/);
    expect(await askOnce(mine.port, `fs.readFileSync('/proc/${pid}/environ')`)).toMatch(/^error (ENOENT|EACCES)/);
    expect(await askOnce(theirs.port, 'process.getuid()')).not.toBe(await askOnce(mine.port, 'process.getuid()'));
  });

  ownUsers('no more memory and no more processes than its spec says; what goes over is killed and comes back', async () => {
    const { processes } = host;
    const spec = await specOf('', { memoryLimitBytes: 96 * 1024 * 1024, maxProcesses: 24 });
    await processes.run(spec);
    const hungry = await talk(spec.port);
    await expect(hungry.ask('globalThis.kept = []; for (;;) kept.push(Buffer.alloc(1024 * 1024, 1));')).rejects.toThrow('closed');
    await until(async () => (await processes.inspect(NAME)).restarts === 1);
    const forks = `let started = 0; const failed = []; for (let i = 0; i < 60; i += 1) {
      const child = require('node:child_process').spawn('sleep', ['100'], { stdio: 'ignore' });
      child.on('error', () => {}); if (child.pid) started += 1; } started`;
    expect(Number(await askOnce(spec.port, forks))).toBeLessThan(24);
  });

  test('no file larger than its spec says; more from the next start on', async () => {
    const { processes } = host;
    const directory = await processes.directoryOf(NAME);
    const spec = await specOf(`process.on('SIGXFSZ', () => {});`, { maxFileBytes: 100_000 });
    await processes.run(spec);
    const write = (bytes: number) => askOnce(spec.port, `fs.writeFileSync('${directory}/large', Buffer.alloc(${bytes})), 'written'`);
    expect(await write(90_000)).toBe('written');
    expect(await write(200_000)).toMatch(/^error EFBIG/);
    const { pid } = await processes.inspect(NAME);
    await processes.run({ ...spec, maxFileBytes: 300_000 });
    expect((await processes.inspect(NAME)).pid).toBe(pid);
    await processes.stop(NAME);
    await processes.run({ ...spec, maxFileBytes: 300_000 });
    expect(await write(200_000)).toBe('written');
  });

  test('no secret stands in a command line', async () => {
    await host.processes.run(await specOf());
    expect(spawnSync('pgrep', ['-f', 'of-this-object']).status).toBe(1);
  });

  test('its words go to a log of its own', async () => {
    const spec = await specOf(`console.log('said on standard output'); console.error('and on the other');`);
    await host.processes.run(spec);
    const log = join(host.options.directory, 'logs', `${NAME}.log`);
    await until(() => readFileSync(log, 'utf8').includes('and on the other'));
    expect(readFileSync(log, 'utf8')).toContain('said on standard output');
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });
});

describe('without bubblewrap', () => {
  test('it runs all the same', async () => {
    await host.processes.close();
    host.processes = await openProcessHost({ ...host.options, sandbox: 'none' });
    expect(host.processes.confinement.sandbox).toBe('none');
    const spec = await specOf();
    await host.processes.run(spec);
    expect(await askOnce(spec.port, '2 * 3')).toBe('6');
  });
});
