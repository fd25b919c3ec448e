// One table of all contract suites of a run: expectation by provider. What is missing, was not run or failed is a problem.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each has a column, if only to say that there was no server. */
const PROVIDERS = { queue: ['nats', 'nats-open', 'rabbitmq', 'kafka'], storage: ['seaweedfs', 'minio'] };
const CELL_WIDTH = 9;

/** @returns {{ text: string, problems: string[] }} */
export function contractTable(folder) {
  const runs = existsSync(folder) ? readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8'))) : [];
  const parts = Object.entries(PROVIDERS).map(([contract, providers]) =>
    partOf(
      contract,
      providers,
      runs.filter((run) => run.contract === contract).flatMap((run) => run.cells),
    ),
  );
  return { text: parts.map(({ text }) => text).join('\n'), problems: parts.flatMap(({ problems }) => problems) };
}

function partOf(contract, providers, cells) {
  const expectations = [...new Set(cells.map(({ expectation }) => expectation))];
  const columns = [...new Set(cells.map(({ provider }) => provider))].sort();
  const absent = providers.filter((name) => !columns.some((column) => column === name || column.startsWith(`${name} `)));
  const problems = absent.map((name) => `${contract} provider ${name} has no column: its suite did not run`);
  const reasons = [];
  const noted = (word, reason) => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return `${word} ${letter(reasons.indexOf(reason))}`;
  };
  const shown = (expectation, provider) => {
    const outcome = cells.find((cell) => cell.expectation === expectation && cell.provider === provider)?.outcome ?? 'MISSING';
    if (outcome === 'kept') return 'kept';
    const [, word, reason] = /^(no|skipped): (.+)$/s.exec(outcome) ?? [];
    if (word !== undefined) return noted(word === 'no' ? 'no' : 'skip', reason);
    problems.push(`${contract} provider ${provider}, ${expectation}: ${outcome}`);
    return outcome;
  };
  const width = Math.max(0, ...expectations.map(({ length }) => length)) + 2;
  const rows = expectations.map(
    (expectation) => `  ${expectation.padEnd(width)}${columns.map((column) => shown(expectation, column).padEnd(CELL_WIDTH)).join('')}`,
  );
  const text = [
    `\n${contract} providers x expectations`,
    ...columns.map((column, index) => `  ${index + 1} = ${column}`),
    `  ${' '.repeat(width)}${columns.map((_, index) => String(index + 1).padEnd(CELL_WIDTH)).join('')}`,
    ...rows,
    ...reasons.map((reason, index) => `  ${letter(index)}: ${reason}`),
  ].join('\n');
  return { text, problems };
}

const letter = (index) => (index < 26 ? String.fromCharCode(97 + index) : `a${letter(index - 26)}`);
