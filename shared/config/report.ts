// The configuration as people read it: what is set, from where, and what it means. Secrets are never in it.
import { CATALOGUE, GROUPS, type Group } from './catalogue';
import type { Environment } from './environment';
import { ConfigError } from './errors';
import { parsedValue } from './read';
import type { ProcessName, Variable, Variables } from './types';

export interface ReportLine {
  name: string;
  /** What was given or the default; for a secret `set` or `unset`. */
  value: string;
  source: 'environment' | 'file' | 'default' | 'unset';
  unit?: string;
  processes: readonly ProcessName[];
  secret: boolean;
  doc: string;
}

export interface Report {
  lines: ReportLine[];
  /** One line each; empty when nothing is wrong. */
  problems: string[];
}

/** @param process only what it reads, and what it needs must be there; otherwise all that is given is checked */
export function reportConfig(environment: Environment, process?: ProcessName): Report {
  const lines: ReportLine[] = [];
  const problems: string[] = [];
  for (const [name, variable] of Object.entries(CATALOGUE as Variables)) {
    if (process !== undefined && !variable.readBy.includes(process)) continue;
    try {
      parsedValue(name, variable, environment, process);
      lines.push(lineOf(name, variable, environment));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
    }
  }
  return { lines, problems };
}

function lineOf(name: string, variable: Variable, environment: Environment): ReportLine {
  const given = environment.given(name);
  const source = given?.source ?? (variable.default === undefined ? 'unset' : 'default');
  const open = given?.text ?? variable.default ?? variable.defaultDoc ?? '-';
  const { unit, readBy: processes, secret = false, doc } = variable;
  return { name, value: secret ? (given === undefined ? 'unset' : 'set') : open, source, unit, processes, secret, doc };
}

export function formatTable({ lines }: Report): string {
  const rows = lines.map((line) => [line.name, line.unit ? `${line.value} (${line.unit})` : line.value, line.source, line.doc]);
  const head = ['variable', 'value', 'source', 'meaning'];
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  // The last column is left as it is: it would only be padded with blanks.
  const format = (row: string[]) => row.map((cell, column) => (column === 3 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ');
  return [head, ...rows].map(format).join('\n');
}

/** The tables of docs/configuration.md. */
export function formatMarkdown(): string {
  return GROUPS.map(markdownOf).join('\n');
}

function markdownOf({ title, intro, variables }: Group): string {
  const rows = Object.entries(variables).map(([name, variable]) => {
    const standsFor = variable.default === undefined || variable.default === '' ? (variable.defaultDoc ?? '-') : `\`${variable.default}\``;
    const unit = variable.unit === undefined ? '' : ` (${variable.unit})`;
    const file = variable.secret === true && !variable.readBy.includes('compose') ? ' or `_FILE`' : '';
    return `| \`${name}\`${file} | ${standsFor}${unit} | ${variable.readBy.join(', ')} | ${variable.doc} |`;
  });
  const head = ['| variable | default | read by | meaning |', '| --- | --- | --- | --- |'];
  return [`## ${title}`, '', ...(intro === undefined ? [] : [intro, '']), ...head, ...rows, ''].join('\n');
}
