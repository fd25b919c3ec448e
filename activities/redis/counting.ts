// How many commands a tenant has run today, from counters that begin anew with each start of its server.
import { z } from 'zod';

/** Keeping a connection, and the brackets around a transaction: clients do these unasked, the platform too, and nothing is stored or fetched with them. */
const NOT_COUNTED = new Set([
  'auth',
  'hello',
  'ping',
  'echo',
  'quit',
  'reset',
  'select',
  'info',
  'client',
  'command',
  'readonly',
  'readwrite',
  'multi',
  'exec',
]);
/** A tenant is refused these, so whatever was called was called by the platform. */
const PLATFORM_ONLY = new Set([
  'acl',
  'config',
  'shutdown',
  'latency',
  'slowlog',
  'bgrewriteaof',
  'debug',
  'module',
  'replconf',
  'monitor',
]);

/** Calls since the server's start, from `INFO commandstats`. */
export function countedCalls(info: string): number {
  let calls = 0;
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:\r\n]+):calls=(\d+)/gm)) {
    const command = (name ?? '').split('|')[0] ?? '';
    if (!NOT_COUNTED.has(command) && !PLATFORM_ONLY.has(command)) calls += Number(count);
  }
  return calls;
}

const tallySchema = z.object({
  /** The UTC day, `2026-11-21`. */
  day: z.string(),
  today: z.number(),
  /** Of the server's process: another one began at 0. */
  runId: z.string(),
  calls: z.number(),
  atMs: z.number(),
});

export type Tally = z.infer<typeof tallySchema>;

export function parseTally(text: string | null): Tally | null {
  if (text === null) return null;
  const parsed = tallySchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null;
}

/**
 * The tally after one more look. What was called between two looks on both sides of midnight is split by time; what a server
 * did after the last look before it died is not counted.
 */
export function tallied(before: Tally | null, look: { runId: string; calls: number; atMs: number }): Tally {
  const day = utcDay(look.atMs);
  const since = before !== null && before.runId === look.runId ? Math.max(0, look.calls - before.calls) : look.calls;
  if (before === null) return { ...look, day, today: since };
  // A clock that was set back a little must not give a second allowance; one that was far ahead must not take them all.
  if (before.day >= day && before.atMs - look.atMs < DAY_MS) return { ...look, day: before.day, today: before.today + since };
  const midnightMs = Date.parse(`${day}T00:00:00Z`);
  const spanMs = Math.max(1, look.atMs - before.atMs);
  const share = Math.min(1, Math.max(0, look.atMs - midnightMs) / spanMs);
  return { ...look, day, today: Math.round(since * share) };
}

const DAY_MS = 86_400_000;

function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
