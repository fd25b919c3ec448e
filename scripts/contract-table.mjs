// One table of all contract suites of a run: expectation by provider. What is missing, was not run or failed is a problem.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each has its cells, if only to say that there was no server. */
const PROVIDERS = {
  queue: ['nats', 'nats/legacy_open', 'rabbitmq', 'kafka'],
  storage: ['seaweedfs', 'minio', 'aws', 'r2', 'spaces'],
};
/** Vendors whose servers cannot be had for a test: what was tried is a double of them. */
const DOUBLES = ['aws', 'r2', 'spaces'];
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
  const blocks = blocksOf(contract, [...new Set(cells.map(({ provider }) => provider))]);
  const absent = providers.filter((name) => !cells.some(({ provider }) => provider === name || provider.startsWith(`${name} `)));
  const problems = absent.map((name) => `${contract} provider ${name} is not in the table: its suite did not run`);
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
  const tables = blocks.flatMap(({ title, columns }) => {
    const cellWidth = Math.max(CELL_WIDTH, ...columns.map(({ head }) => head.length + 2));
    const row = (first, rest) => `  ${first.padEnd(width)}${rest.map((text) => text.padEnd(cellWidth)).join('')}`.trimEnd();
    return [
      '',
      row(
        title,
        columns.map(({ head }) => head),
      ),
      ...expectations.map((expectation) =>
        row(
          expectation,
          columns.map(({ provider }) => shown(expectation, provider)),
        ),
      ),
    ];
  });
  const text = [
    `\n${contract} providers x expectations`,
    ...tables,
    '',
    ...reasons.map((reason, index) => `  ${letter(index)}: ${reason}`),
  ].join('\n');
  return { text, problems };
}

/** Queues side by side; a store for itself, mode by mode. */
function blocksOf(contract, providers) {
  if (contract === 'queue') return [{ title: '', columns: providers.sort().map((provider) => ({ head: provider, provider })) }];
  const [split, stores] = [
    (provider) => [provider.slice(0, provider.lastIndexOf(' ')), provider.slice(provider.lastIndexOf(' ') + 1)],
    new Map(),
  ];
  for (const provider of providers) {
    const [store, mode] = split(provider);
    stores.set(store, [...(stores.get(store) ?? []), { head: mode, provider }]);
  }
  return [...stores]
    .sort()
    .map(([store, columns]) => ({ title: DOUBLES.includes(store.split(' ')[0]) ? `${store} (a double of it)` : store, columns }));
}

const letter = (index) => (index < 26 ? String.fromCharCode(97 + index) : `a${letter(index - 26)}`);
