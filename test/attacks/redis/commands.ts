// What a tenant asks of the server: of the neighbour's things, and of the server itself.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from '../attack';
import { asAttacker, type Outcome, refused, revealsNothing, SECRET, short, type World } from './world';

/** On either sort of server. */
export function serverAttacks(world: World): Attack[] {
  const { port } = addressOf(world);
  return [
    refused(world, 'CONFIG', 'SET', 'maxmemory', '0'),
    refused(world, 'CONFIG', 'GET', '*'),
    refused(world, 'CONFIG', 'REWRITE'),
    refused(world, 'CONFIG', 'SET', 'dir', '/tmp'),
    refused(world, 'ACL', 'LIST'),
    refused(world, 'ACL', 'SETUSER', `${world.attacker.objectName}_1`, '+@all', 'allkeys'),
    refused(world, 'ACL', 'GETUSER', 'platform'),
    refused(world, 'ACL', 'LOAD'),
    refused(world, 'CLIENT', 'KILL', 'TYPE', 'normal'),
    refused(world, 'CLIENT', 'PAUSE', '10000'),
    refused(world, 'DEBUG', 'SLEEP', '0.01'),
    refused(world, 'DEBUG', 'JMAP'),
    refused(world, 'MODULE', 'LOAD', '/tmp/evil.so'),
    refused(world, 'MODULE', 'LIST'),
    refused(world, 'REPLICAOF', '127.0.0.1', String(port)),
    refused(world, 'SLAVEOF', '127.0.0.1', String(port)),
    refused(world, 'PSYNC', '?', '-1'),
    refused(world, 'SHUTDOWN', 'NOSAVE'),
    refused(world, 'SAVE'),
    refused(world, 'BGREWRITEAOF'),
    refused(world, 'MONITOR'),
    refused(world, 'MIGRATE', '127.0.0.1', String(port), SECRET, '0', '100'),
    refused(world, 'LATENCY', 'RESET'),
    refused(world, 'SLOWLOG', 'GET'),
    refused(world, 'CLUSTER', 'RESET'),
    refused(world, 'FAILOVER'),
  ];
}

/** On a server of its own these are allowed and show it alone; on a shared one each is refused. */
export function reachAttacks(world: World): Attack[] {
  const secretKey = `${world.harness.keyPrefixOf(world.victim)}${SECRET}`;
  const shared: [string, ...string[]][] = [
    ['SCAN', '0'],
    ['RANDOMKEY'],
    ['DBSIZE'],
    ['KEYS', '*'],
    ['EVAL', "return redis.call('scan','0')", '0'],
    ['EVAL', 'return 1', '0'],
    ['EVALSHA', '0'.repeat(40), '0'],
    ['SCRIPT', 'FLUSH'],
    ['FUNCTION', 'LIST'],
    ['FUNCTION', 'FLUSH'],
    ['FCALL', 'f', '0'],
    ['CLIENT', 'LIST'],
    ['CLIENT', 'TRACKING', 'ON', 'BCAST'],
    ['SELECT', '1'],
    ['SWAPDB', '0', '1'],
    ['MOVE', secretKey, '1'],
    ['COPY', secretKey, `${world.harness.keyPrefixOf(world.attacker)}mine`],
    ['GET', secretKey],
    ['SET', secretKey, 'changed'],
    ['DEL', secretKey],
    ['RENAME', secretKey, `${world.harness.keyPrefixOf(world.attacker)}mine`],
    ['SORT', `${world.harness.keyPrefixOf(world.attacker)}list`, 'BY', 'nosort', 'GET', secretKey],
    ['OBJECT', 'ENCODING', secretKey],
    ['MEMORY', 'USAGE', secretKey],
    ['MEMORY', 'STATS'],
    ['FLUSHALL'],
    ['FLUSHDB'],
    ['INFO'],
    ['PUBSUB', 'CHANNELS'],
    ['PUBLISH', 'victims-channel', 'forged'],
    ['PSUBSCRIBE', '*'],
    ['PSUBSCRIBE', '__keyspace@0__:*'],
    ['SUBSCRIBE', `__keyspace@0__:${secretKey}`],
    ['WAIT', '1', '1000'],
  ];
  if (world.mode === 'shared') return shared.map((command) => refused(world, ...command));
  return [
    ...shared
      .filter(([name]) => !['PSUBSCRIBE', 'SUBSCRIBE', 'WAIT', 'FLUSHALL', 'FLUSHDB'].includes(name))
      .map(([name, ...args]) => revealsNothing(world, [name, ...args].join(' '), (redis) => redis.call(name, ...args))),
    ...Array.from({ length: 4 }, (_, database) =>
      revealsNothing(world, `SELECT ${database}, KEYS *`, async (redis) => {
        await redis.select(database);
        return await redis.keys('*');
      }),
    ),
    {
      name: 'FLUSHALL of one’s own leaves the neighbour’s',
      run: () =>
        asAttacker(world, async (redis): Promise<Outcome> => {
          await redis.flushall();
          return (await world.victimClient.get(SECRET)) === SECRET ? 'refused' : { breached: 'the victim’s key is gone' };
        }),
    },
    ...scriptAttacks(world),
  ];
}

/** A script must not get out of its language, nor around the list of commands. */
function scriptAttacks(world: World): Attack[] {
  const scripts = [
    "return redis.call('config','set','maxmemory','0')",
    "return redis.call('acl','list')",
    "return redis.call('module','list')",
    "return io.open('/etc/passwd'):read('*a')",
    "return os.execute('id')",
    "return loadfile('/etc/passwd')",
    "return package.loadlib('/lib/x86_64-linux-gnu/libc.so.6','system')",
    "return require('os')",
    "return redis.call('replicaof','127.0.0.1','1')",
  ];
  return scripts.map((script): Attack => {
    return {
      name: `EVAL ${script}`,
      run: () =>
        asAttacker(world, async (redis): Promise<Outcome> => {
          const answer = await redis.eval(script, 0).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
          return answer instanceof Error ? 'refused' : { breached: `answered ${short(answer)}` };
        }),
    };
  });
}

/** What the victim says and does must not be heard. */
export function listeningAttacks(world: World): Attack[] {
  const hears = (name: string, listen: (heard: string[]) => Promise<() => void>): Attack => ({
    name,
    async run() {
      const heard: string[] = [];
      const stop = await listen(heard);
      const prefix = world.harness.keyPrefixOf(world.victim);
      await world.victimClient.publish(`${prefix}channel`, SECRET);
      await world.victimClient.set(`${prefix}touched-${SECRET}`, '1');
      await sleep(150);
      stop();
      return heard.length === 0 ? 'refused' : { breached: `heard ${short(heard)}` };
    },
  });
  const subscribing = (pattern: string) => async (heard: string[]) => {
    const redis = await world.harness.client(world.attacker);
    redis.on('pmessage', (_pattern, channel, message) => heard.push(`${channel} ${message}`));
    await redis.psubscribe(pattern).catch(() => undefined);
    return () => redis.disconnect();
  };
  return [
    hears('pub/sub of the neighbour, *', subscribing('*')),
    hears('pub/sub of the neighbour, its prefix', subscribing(`${world.victim.objectName}*`)),
    hears('keyspace events of the neighbour', subscribing('__key*__:*')),
    hears('invalidations of the neighbour’s keys', async (heard) => {
      const redis = await world.harness.client(world.attacker);
      await redis.call('HELLO', '3').catch(() => undefined);
      await redis.call('CLIENT', 'TRACKING', 'ON', 'BCAST').catch(() => undefined);
      redis.on('error', (error) => heard.push(String(error).includes(SECRET) ? String(error) : ''));
      return () => {
        redis.disconnect();
        heard.splice(0, heard.length, ...heard.filter((line) => line !== ''));
      };
    }),
  ];
}

function addressOf(world: World): { port: number } {
  return { port: world.victimClient.options.port ?? 0 };
}
