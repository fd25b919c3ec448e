// A queue on RabbitMQ through the whole product: made, used by amqplib, paused, resumed, rotated, deleted; and nothing stays behind.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Granted, QUEUE_DRIVERS, type Session } from '../../../bench/drivers';
import { resourceClient } from '../../../bench/resources';
import { eventually } from '../../harness/rows';
import { processesOf, Stack } from '../../harness/stack';
import { mayHaveRabbitmq } from './server';

jest.setTimeout(400_000);

const withServer = mayHaveRabbitmq() ? describe : describe.skip;
const title = (text: string) => (mayHaveRabbitmq() ? text : `${text} (skipped: no server)`);

withServer(title('a queue on RabbitMQ, through the product'), () => {
  // Without NATS there is one queue server: callers need not name it.
  const stack = new Stack({ LEASEHOLD_KINDS: 'postgres,rabbitmq' });
  const client = () => resourceClient(stack.baseUrl);
  const open = (granted: Granted): Promise<Session> => QUEUE_DRIVERS.rabbitmq.open(granted);
  const vhostFolders = () => readdirSync(join(stack.home, 'rabbitmq/data/leasehold@localhost/msg_stores/vhosts'));
  const installed = async (): Promise<string[]> => (await stack.inventory()).get('rabbitmq') ?? ['rabbitmq was not looked at'];

  beforeAll(async () => {
    await stack.start();
    // The worker looks at its backends again and again; it may have been there before the server was.
    const asked = () => stack.call('POST /queue/new', { body: { name: 'asked', engine: 'rabbitmq', dry_run: true } });
    await eventually(asked, ({ status }) => status === 200, 90_000);
  });
  afterAll(() => stack.dispose());

  test.each([
    ['by its name', { engine: 'rabbitmq' }],
    ['as the only engine that is there', {}],
  ])('%s: used, paused, resumed, rotated and deleted', async (_how, body) => {
    const granted = await client().create('queue', 'orders', body);
    expect(granted).toMatchObject({ engine: 'rabbitmq', connection_url: expect.stringMatching(/^amqp:\/\/lh/) });
    expect((await installed()).filter((line) => !line.startsWith('connection'))).toHaveLength(2);
    expect(vhostFolders()).toHaveLength(1);
    const session = await open(granted);
    await session.write('kept');
    expect(await session.read()).toBe('kept');

    await client().pause(granted);
    await expect(session.ping()).rejects.toThrow();
    await expect(open(granted)).rejects.toThrow();

    await client().resume(granted);
    const resumed = await open(granted);
    expect(await resumed.read()).toBe('kept');

    const rotated = await client().rotate(granted);
    expect(rotated.connection_url).not.toBe(granted.connection_url);
    const second = await open({ ...granted, ...rotated });
    for (const each of [resumed, second]) await each.ping();

    await client().remove(granted);
    await client().becomes(granted, 'deleted');
    for (const each of [resumed, second]) await expect(each.ping()).rejects.toThrow();
    await expect(open({ ...granted, ...rotated })).rejects.toThrow();
    // The server's list of connections is a moment behind.
    expect(await eventually(installed, (left) => left.length === 0)).toEqual([]);
    expect(
      await eventually(
        async () => vhostFolders(),
        (folders) => folders.length === 0,
      ),
    ).toEqual([]);
  });

  test('a server that died is back with what it had; a supervisor that died finds it running', async () => {
    const granted = await client().create('queue', 'kept through deaths', { engine: 'rabbitmq' });
    const before = await open(granted);
    await before.write('on disk');
    stack.killHard('rabbitmq');
    await stack.isBack('rabbitmq', 1);
    const after = await open(granted);
    expect(await after.read()).toBe('on disk');

    process.kill(stack.supervisorPid, 'SIGKILL');
    await stack.ended();
    await after.ping();
    await stack.start();
    await after.ping();
    expect(await after.read()).toBe('on disk');
    await after.close();
    await client().remove(granted);
    await client().becomes(granted, 'deleted');
  });

  test('after SIGTERM no process is left, neither Erlang’s nor its port mapper', async () => {
    process.kill(stack.supervisorPid, 'SIGTERM');
    await stack.ended();
    expect(
      await eventually(
        async () => processesOf(stack.home),
        (found) => found.length === 0,
      ),
    ).toEqual([]);
  });
});
