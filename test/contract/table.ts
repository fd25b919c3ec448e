// The table of a contract's run: whether each provider keeps each expectation, and if not, why. No cell is empty without a reason.
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '@jest/globals';

/** Where the tables of a whole run are gathered, for scripts/contract-table.mjs. */
const FOLDER = process.env.LEASEHOLD_TEST_TABLE;
const PROVIDER_WIDTH = 36;

interface Cell {
  expectation: string;
  /** Who is asked: a provider, or a provider in one of its modes. */
  provider: string;
  outcome: string;
}

export class ContractTable {
  readonly #cells: Cell[] = [];

  constructor(readonly contract: 'queue' | 'storage') {}

  /** Registers the test; its cell says how it ended. */
  expects(provider: string, expectation: string, run: () => Promise<void>): void {
    const cell = { expectation, provider, outcome: 'not run' };
    this.#cells.push(cell);
    test(expectation, async () => {
      cell.outcome = 'FAILED';
      await run();
      cell.outcome = 'kept';
    });
  }

  /** @param reason why it is not expected of this provider, as its page in docs/kinds says it */
  cannot(provider: string, expectation: string, reason: string): void {
    this.#cells.push({ expectation, provider, outcome: `no: ${reason}` });
  }

  /** @param reason why there is no server to try it on */
  skips(provider: string, expectation: string, reason: string): void {
    this.#cells.push({ expectation, provider, outcome: `skipped: ${reason}` });
    test.skip(`${expectation}: skipped: ${reason}`, () => {});
  }

  /** To be called after the last test. */
  print(): void {
    const expectations = [...new Set(this.#cells.map(({ expectation }) => expectation))];
    const lines = expectations.flatMap((expectation) => [
      `  ${expectation}`,
      ...this.#cells
        .filter((cell) => cell.expectation === expectation)
        .map(({ provider, outcome }) => `    ${provider.padEnd(PROVIDER_WIDTH)} ${outcome}`),
    ]);
    process.stdout.write(`\n${this.contract} providers\n${lines.join('\n')}\n`);
    if (FOLDER === undefined) return;
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(join(FOLDER, `${randomUUID()}.json`), JSON.stringify({ contract: this.contract, cells: this.#cells }));
  }
}
