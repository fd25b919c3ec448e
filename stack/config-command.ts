// `npm run config`: the configuration as the processes would read it, from the environment of this shell.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import {
  Environment,
  formatMarkdown,
  formatTable,
  PROCESS_NAMES,
  type ProcessName,
  processEnvironment,
  reportConfig,
  unknownVariables,
} from '../shared/config';
import { environmentNames, loadBackends } from '../shared/plans';
import { oneLine } from './errors';
import { packageRoot } from './paths';
import { readSettings } from './settings';

const DOCUMENT = 'docs/configuration.md';
const BEGIN = '<!-- written by npm run config -- --markdown --write: edit shared/config/catalogue instead -->';
const END = '<!-- end of what is written -->';

interface Options {
  process?: ProcessName;
  json?: boolean;
  markdown?: boolean;
  write?: boolean;
}

/** The returned number is the exit code. */
export async function runConfigCommand(argv: string[]): Promise<number> {
  const program = new Command('npm run config --')
    .description('Every environment variable: its value or default, where that is from, what it means. Secrets are never shown.')
    .addOption(new Option('--process <name>', 'only what this process reads; what it needs must be set').choices(PROCESS_NAMES))
    .option('--json', 'as JSON')
    .option('--markdown', `the tables of ${DOCUMENT}`)
    .option('--write', `with --markdown: into ${DOCUMENT}`)
    .exitOverride();
  try {
    program.parse(argv);
  } catch (error) {
    return (error as { exitCode?: number }).exitCode ?? 1;
  }
  const options = program.opts<Options>();
  if (!options.markdown) return report(options);
  const path = join(packageRoot(), DOCUMENT);
  if (options.write) writeFileSync(path, withTables(readFileSync(path, 'utf8')));
  else process.stdout.write(formatMarkdown());
  return 0;
}

function report({ process: name, json }: Options): number {
  const environment = new Environment(processEnvironment());
  const { lines, problems } = reportConfig(environment, name);
  problems.push(...(problems.length === 0 ? problemsBetween(environment, name) : []));
  const warnings = unknownVariables(environment, namesOfBackends(environment));
  if (json) process.stdout.write(`${JSON.stringify({ variables: lines, problems, warnings }, null, 2)}\n`);
  else process.stdout.write(`${formatTable({ lines, problems })}\n`);
  for (const line of warnings) process.stderr.write(`warning: ${line}\n`);
  for (const line of problems) process.stderr.write(`${line}\n`);
  return problems.length === 0 ? 0 : 1;
}

/** What no variable shows alone. */
function problemsBetween(environment: Environment, name: ProcessName | undefined): string[] {
  if (name !== undefined && name !== 'stack') return [];
  try {
    readSettings(environment, packageRoot());
    return [];
  } catch (error) {
    return [oneLine(error)];
  }
}

/** A file that is missing or wrong is for the start to tell. */
function namesOfBackends(environment: Environment): string[] {
  try {
    const path = join(packageRoot(), environment.text('LEASEHOLD_BACKENDS') ?? 'backends.yaml');
    return existsSync(path) ? environmentNames(loadBackends(path)) : [];
  } catch {
    return [];
  }
}

/** Puts the tables between the two marks of the document. */
export function withTables(document: string): string {
  const [before, rest] = document.split(`${BEGIN}\n`);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${DOCUMENT} has lost its marks: ${BEGIN} and ${END}`);
  return `${before}${BEGIN}\n\n${formatMarkdown()}\n${END}${after}`;
}
