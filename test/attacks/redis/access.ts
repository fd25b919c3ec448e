// Credentials that are another's, or no longer good, with the old connection held open; and what is done so as not to be cut.
import type { Redis } from 'ioredis';
import type { ProvisionRequest } from '../../../activities/backend';
import type { Attack } from '../attack';
import { asAttacker, firstBreach, mustBeDead, mustBeUnwelcome, type Outcome, short, type World } from './world';

export function identityAttacks(world: World): Attack[] {
  const { harness, attacker, victim } = world;
  const victimPort = world.victimClient.options.port ?? 0;
  const own = harness.passwordOf(attacker.resourceId, 1);
  const login = (name: string, options: { username?: string; password?: string }): Attack => ({
    name,
    run: () => mustBeUnwelcome(() => harness.client(attacker, { port: victimPort, ...options })),
  });
  const logins = [
    login('the neighbour’s login with one’s own password', { username: `${victim.objectName}_1`, password: own }),
    login('the default user without a password', { username: 'default', password: '' }),
    login('the default user with one’s own password', { username: 'default', password: own }),
    login('the platform’s user with one’s own password', { username: 'platform', password: own }),
    login('a login that is not there yet', { username: `${victim.objectName}_2`, password: own }),
    login('the name without a version', { username: victim.objectName, password: own }),
  ];
  if (world.mode === 'shared') return logins;
  return [...logins, login('one’s own credential at the neighbour’s port', {})];
}

/** `end` takes the access away; nothing of before may be good after it. */
function dead(world: World, name: string, end: (tenant: ProvisionRequest) => Promise<void>): Attack {
  return {
    name,
    async run() {
      const tenant = await world.newTenant();
      const key = `${world.harness.keyPrefixOf(tenant)}k`;
      const open = await world.harness.client(tenant);
      const blocked = await world.harness.client(tenant);
      await open.set(key, '1');
      // Sits inside a command while the access ends.
      const waiting = blocked.blpop(`${key}-queue`, 0);
      waiting.catch(() => undefined);
      await end(tenant);
      const outcomes = [
        await mustBeDead(() => open.get(key)),
        await mustBeDead(() => waiting),
        await mustBeDead(async () => (await world.harness.client(tenant)).get(key)),
      ];
      open.disconnect();
      blocked.disconnect();
      return firstBreach(outcomes);
    },
  };
}

export function lifecycleAttacks(world: World): Attack[] {
  const { backend } = world.harness;
  return [
    dead(world, 'after suspension, the old connection held open', (tenant) => backend.cut(tenant)),
    dead(world, 'after expiry, cut once more', async (tenant) => {
      await backend.cut(tenant);
      await backend.cut(tenant);
    }),
    dead(world, 'after rotation and retirement, the old connection held open', async (tenant) => {
      await backend.rotate({ ...tenant, credentialVersion: 2, previousVersion: 1 });
      await backend.retireCredential({ ...tenant, credentialVersion: 2, retireVersion: 1 });
    }),
    dead(world, 'after a second rotation', async (tenant) => {
      await backend.rotate({ ...tenant, credentialVersion: 2, previousVersion: 1 });
      await backend.rotate({ ...tenant, credentialVersion: 3, previousVersion: 2 });
    }),
    dead(world, 'after deletion, the old connection held open', (tenant) => backend.deprovision(tenant)),
    knocking(world),
    {
      name: 'a pipeline that goes on while it is cut',
      async run() {
        const tenant = await world.newTenant();
        const redis = await world.harness.client(tenant);
        const key = `${world.harness.keyPrefixOf(tenant)}n`;
        let stopped = false;
        const writing = (async () => {
          while (!stopped) await redis.incr(key);
        })().catch(() => undefined);
        await backend.cut(tenant);
        const outcome = await mustBeDead(() => redis.incr(key));
        stopped = true;
        await writing;
        return outcome;
      },
    },
  ];
}

function knocking(world: World): Attack {
  return {
    name: 'logging in without pause while it is cut',
    async run() {
      const tenant = await world.newTenant();
      let cutDone = false;
      const survivors: Redis[] = [];
      const knock = async () => {
        while (!cutDone) {
          const client = await world.harness.client(tenant).catch(() => null);
          if (client) survivors.push(client);
        }
      };
      const all = Promise.all([knock(), knock()]);
      await world.harness.backend.cut(tenant);
      cutDone = true;
      await all;
      const outcomes: Outcome[] = [];
      for (const client of survivors) {
        outcomes.push(await mustBeDead(() => client.ping()));
        client.disconnect();
      }
      return firstBreach(outcomes);
    },
  };
}

/** Ways to keep the platform out of one's own server. Only where the server is the tenant's own can they be tried. */
export function stubbornAttacks(world: World): Attack[] {
  if (world.mode === 'shared') return [];
  const { harness } = world;
  return [
    {
      name: 'a script without end while it is cut',
      async run() {
        const tenant = await world.newTenant();
        const redis = await harness.client(tenant);
        redis.eval('while true do end', 0).catch(() => undefined);
        await harness.backend.cut(tenant);
        const outcome = await mustBeDead(async () => (await harness.client(tenant)).ping());
        redis.disconnect();
        return outcome;
      },
    },
    {
      name: 'holding every connection while it is cut',
      async run() {
        const tenant = await world.newTenant();
        const held: Redis[] = [];
        for (;;) {
          const batch = await Promise.all(Array.from({ length: 50 }, () => harness.client(tenant).catch(() => null)));
          held.push(...batch.filter((client) => client !== null));
          if (batch.includes(null)) break;
        }
        await harness.backend.cut(tenant);
        const outcomes = await Promise.all(held.slice(0, 20).map((client) => mustBeDead(() => client.ping())));
        outcomes.push(await mustBeDead(async () => (await harness.client(tenant)).ping()));
        for (const client of held) client.disconnect();
        return firstBreach(outcomes);
      },
    },
    {
      name: 'one script that fills memory far past the plan’s',
      run: () =>
        asAttacker(world, async (redis): Promise<Outcome> => {
          const fill = `for i = 1, 400 do redis.call('set', 'big' .. i, string.rep('x', 1024 * 1024)) end return 'filled'`;
          const answer = await redis.eval(fill, 0).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
          if (!(answer instanceof Error)) return { breached: `answered ${short(answer)}` };
          return (await world.victimClient.ping()) === 'PONG' ? 'refused' : { breached: 'the victim does not answer' };
        }),
    },
    {
      name: 'values past the plan’s memory',
      run: () =>
        asAttackerOnceMore(world, async (redis): Promise<Outcome> => {
          try {
            for (let index = 0; index < 64; index += 1) await redis.set(`fill${index}`, 'x'.repeat(1024 * 1024));
            return { breached: '64 MB were taken' };
          } catch (error) {
            return String(error).includes('OOM') ? 'refused' : { breached: String(error) };
          }
        }),
    },
    {
      name: 'a script without end does not stop the neighbour',
      async run() {
        const tenant = await world.newTenant();
        const redis = await harness.client(tenant);
        redis.eval('while true do end', 0).catch(() => undefined);
        const started = performance.now();
        for (let index = 0; index < 20; index += 1) await world.victimClient.ping();
        const tookMs = performance.now() - started;
        await harness.backend.deprovision(tenant);
        redis.disconnect();
        // Whoever waits for the script waits for ever; a busy machine is only slow.
        return tookMs < 20_000 ? 'refused' : { breached: `20 pings of the victim took ${tookMs.toFixed(0)} ms` };
      },
    },
  ];
}

/** Its server may just be starting again. */
async function asAttackerOnceMore<T>(world: World, work: (redis: Redis) => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const answers = await world.harness.client(world.attacker).then(
      (client) => {
        client.disconnect();
        return true;
      },
      () => false,
    );
    if (answers) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return await asAttacker(world, work);
}
