// Every suite on real servers, for `npm run attack`: what was tried and what was refused goes to a file that the command prints.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, jest } from '@jest/globals';
import type { Attack, AttackSuite } from './attack';

jest.setTimeout(600_000);

interface Row {
  kind: string;
  tried: number;
  refused: number;
  breaches: string[];
  /** Why nothing was tried. */
  skipped?: string;
}

const ATTACK_MS = 60_000;

function isSuite(value: unknown): value is AttackSuite {
  return typeof value === 'object' && value !== null && 'kind' in value && 'open' in value && typeof value.open === 'function';
}

/**
 * One folder a kind; whatever its attacks.ts exports that is a suite. All of them unless some are asked for, by folder or by what comes
 * before the colon of a suite's name: `api` is also `api: limits`.
 */
async function suites(): Promise<AttackSuite[]> {
  const asked = (process.env.LEASEHOLD_ATTACK_KINDS ?? '').split(',').filter((kind) => kind !== '');
  const folders = readdirSync(__dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(__dirname, entry.name, 'attacks.ts')))
    .map(({ name }) => name);
  const unknown = asked.filter((kind) => !folders.includes(kind));
  if (unknown.length > 0) throw new Error(`no such attacks: ${unknown.join(', ')}; there are ${folders.join(', ')}`);
  const isAsked = (folder: string, { kind }: AttackSuite) =>
    asked.length === 0 || asked.some((name) => name === folder || kind.startsWith(`${name}: `));
  const found = await Promise.all(
    folders.map(async (folder) => {
      const exported = (await import(join(__dirname, folder, 'attacks.ts'))) as Record<string, unknown>;
      return Object.values(exported)
        .filter(isSuite)
        .filter((suite) => isAsked(folder, suite));
    }),
  );
  return found.flat();
}

async function breachOf(attack: Attack): Promise<string | undefined> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${ATTACK_MS / 1000} s`)), ATTACK_MS).unref();
  });
  try {
    const outcome = await Promise.race([attack.run(), late]);
    return outcome === 'refused' ? undefined : `${attack.name}: ${outcome.breached}`;
  } catch (error) {
    // Neither refused nor let through: nothing is proved.
    return `${attack.name}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function rowOf(suite: AttackSuite): Promise<Row> {
  const row: Row = { kind: suite.kind, tried: 0, refused: 0, breaches: [] };
  const opened = await suite.open();
  if ('skipped' in opened) return { ...row, skipped: opened.skipped };
  try {
    for (const attack of opened.attacks) {
      const breach = await breachOf(attack);
      row.tried += 1;
      if (breach === undefined) row.refused += 1;
      else row.breaches.push(breach);
    }
  } finally {
    await opened.close();
  }
  return row;
}

it('every attack is refused', async () => {
  const rows: Row[] = [];
  for (const suite of await suites()) {
    const row = await rowOf(suite).catch((error: unknown) => ({
      kind: suite.kind,
      tried: 0,
      refused: 0,
      breaches: [`the suite did not open: ${error instanceof Error ? error.message : String(error)}`],
    }));
    rows.push(row);
  }
  const report = process.env.LEASEHOLD_ATTACK_REPORT;
  if (report) writeFileSync(report, JSON.stringify(rows));
  expect(rows.flatMap(({ kind, breaches }) => breaches.map((breach) => `${kind}: ${breach}`))).toEqual([]);
  expect(rows.length).toBeGreaterThan(0);
});
