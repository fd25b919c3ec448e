// A process's part of the catalogue: checked, typed, frozen.
import { CATALOGUE } from './catalogue';
import { Environment } from './environment';
import { ConfigError } from './errors';
import type { ProcessName, ValuesFor, Variable, Variables } from './types';

export type ConfigFor<Process extends ProcessName> = ValuesFor<typeof CATALOGUE, Process>;

/**
 * What one process reads, each variable under its own name.
 * @throws ConfigError with one line: the variable, what is wrong, how to mend it; never a value
 */
export function readConfig<Process extends ProcessName>(process: Process, env: NodeJS.ProcessEnv | Environment): ConfigFor<Process> {
  const environment = env instanceof Environment ? env : new Environment(env);
  const values = Object.entries(CATALOGUE as Variables)
    .filter(([, variable]) => variable.readBy.includes(process))
    .map(([name, variable]) => [name, parsedValue(name, variable, environment, process)]);
  return Object.freeze(Object.fromEntries(values)) as ConfigFor<Process>;
}

/** The names a process reads. */
export function variablesOf(process: ProcessName): string[] {
  return Object.entries(CATALOGUE as Variables).flatMap(([name, { readBy }]) => (readBy.includes(process) ? [name] : []));
}

/** @throws ConfigError */
export function parsedValue(name: string, variable: Variable, environment: Environment, process?: ProcessName): unknown {
  const text = environment.text(name) ?? variable.default;
  if (text === undefined) {
    if (process !== undefined && variable.requiredBy?.includes(process)) throw new ConfigError(`${name}: is not set`);
    return undefined;
  }
  const parsed = variable.schema.safeParse(text);
  if (!parsed.success) throw new ConfigError(`${name}: ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  return parsed.data;
}
