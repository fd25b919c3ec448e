// Two tenants on real servers, and how an attempt of one is judged.
import type { Redis } from 'ioredis';
import type { ProvisionRequest } from '../../../activities/backend';
import { type RedisHarness, redisServerPath, startRedisHarness } from '../../contract/redis-harness';
import type { Attack } from '../attack';

export interface World {
  mode: 'own' | 'shared';
  harness: RedisHarness;
  attacker: ProvisionRequest;
  victim: ProvisionRequest;
  /** The victim's own connection, which must work through it all. */
  victimClient: Redis;
  /** A new tenant, for attacks that end its access. */
  newTenant(): Promise<ProvisionRequest>;
  close(): Promise<void>;
}

/** In names and values of the victim alone. */
export const SECRET = 'topsecret';

export async function openWorld(mode: World['mode']): Promise<World> {
  if (redisServerPath() === undefined) throw new Error('no server: install redis-server 7 or newer');
  const harness = await startRedisHarness(mode);
  const made: ProvisionRequest[] = [];
  const newTenant = async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    made.push(request);
    return request;
  };
  const [attacker, victim] = [await newTenant(), await newTenant()];
  const victimClient = await harness.client(victim);
  await victimClient.set(`${harness.keyPrefixOf(victim)}${SECRET}`, SECRET);
  return {
    mode,
    harness,
    attacker,
    victim,
    victimClient,
    newTenant,
    close: async () => {
      victimClient.disconnect();
      for (const request of made) await harness.backend.deprovision(request);
      await harness.close();
    },
  };
}

export type Outcome = Awaited<ReturnType<Attack['run']>>;

const REFUSAL = /NOPERM|WRONGPASS|NOAUTH|ERR unknown command|ERR Unknown|not allowed|disabled|Invalid|no such key|out of range/i;
const CLOSED = /closed|ECONNRESET|EPIPE|ECONNREFUSED|writeable|NOAUTH|WRONGPASS|max number|ended/i;

/** Over a connection of the attacker that works before the attempt: else whatever is tried would look refused. */
export async function asAttacker<T>(world: World, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = await world.harness.client(world.attacker);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** The server must refuse it, in words that are a refusal. */
export function refused(world: World, ...command: [string, ...string[]]): Attack {
  const [name, ...args] = command;
  return {
    name: command.join(' '),
    run: () =>
      asAttacker(world, async (redis): Promise<Outcome> => {
        try {
          return { breached: `answered ${short(await redis.call(name, ...args))}` };
        } catch (error) {
          const words = String(error);
          return REFUSAL.test(words) ? 'refused' : { breached: `failed in other words: ${words}` };
        }
      }),
  };
}

/** It may be answered, but with nothing of the victim. */
export function revealsNothing(world: World, name: string, ask: (redis: Redis) => Promise<unknown>): Attack {
  return {
    name,
    run: () =>
      asAttacker(world, async (redis): Promise<Outcome> => {
        const answer = JSON.stringify(await ask(redis).catch((error: unknown) => String(error)));
        const told = [SECRET, world.victim.objectName].find((secret) => answer.includes(secret));
        return told === undefined ? 'refused' : { breached: `told of ${told}: ${short(answer)}` };
      }),
  };
}

/** A connection or a login that must be dead. */
export async function mustBeDead(use: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { breached: `still answered ${short(await use())}` };
  } catch (error) {
    const words = String(error);
    return CLOSED.test(words) ? 'refused' : { breached: `failed in other words: ${words}` };
  }
}

/** A login that the server itself must refuse: one that is away refuses nobody. */
export async function mustBeUnwelcome(login: () => Promise<Redis>): Promise<Outcome> {
  try {
    (await login()).disconnect();
    return { breached: 'was let in' };
  } catch (error) {
    const words = String(error);
    return /WRONGPASS|NOAUTH/.test(words) ? 'refused' : { breached: `failed in other words: ${words}` };
  }
}

export function firstBreach(outcomes: Outcome[]): Outcome {
  return outcomes.find((outcome) => outcome !== 'refused') ?? 'refused';
}

export function short(value: unknown): string {
  return String(typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 120);
}
