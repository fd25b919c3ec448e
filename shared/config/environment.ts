// The one place that touches process.env: a variable's text, from the environment or from a file, with `${NAME}` filled in.
import { readFileSync, statSync } from 'node:fs';
import { variableOf } from './catalogue';
import { ConfigError } from './errors';

const FILE_SUFFIX = '_FILE';
/** More than any variable needs; references to references could otherwise grow without bound. */
const MAX_LENGTH = 65_536;
/** `$${NAME}` stands for `${NAME}` itself. */
const REFERENCE = /\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export type Source = 'environment' | 'file';

export interface Given {
  text: string;
  source: Source;
}

export class Environment {
  readonly #env: NodeJS.ProcessEnv;
  /** A secret's file is read once: all of a process sees one value. */
  readonly #known = new Map<string, Given | undefined>();

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /**
   * Undefined when it is not set; an empty variable is one that was not set.
   * @throws ConfigError
   */
  text(name: string): string | undefined {
    return this.given(name)?.text;
  }

  /** @throws ConfigError */
  given(name: string): Given | undefined {
    return this.#given(name, []);
  }

  get names(): readonly string[] {
    return Object.keys(this.#env).filter((name) => this.#env[name] !== undefined && this.#env[name] !== '');
  }

  #given(name: string, path: readonly string[]): Given | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#read(name, path));
    return this.#known.get(name);
  }

  #read(name: string, path: readonly string[]): Given | undefined {
    const value = this.#env[name];
    const file = mayBeFile(name) ? this.#env[name + FILE_SUFFIX] : undefined;
    if (file) {
      if (value) throw new ConfigError(`${name}: is set, and so is ${name}${FILE_SUFFIX}: give one of the two`);
      return { text: readSecret(name, this.#expand(name + FILE_SUFFIX, file, [...path, name])), source: 'file' };
    }
    return value ? { text: this.#expand(name, value, [...path, name]), source: 'environment' } : undefined;
  }

  /** A variable of ours is taken with its own references filled in; another's value is taken as it stands. */
  #expand(name: string, value: string, path: readonly string[]): string {
    let length = value.length;
    return value.replaceAll(REFERENCE, (match, other: string) => {
      if (match.startsWith('$$')) return match.slice(1);
      if (path.includes(other)) throw new ConfigError(`${name}: refers to itself, by ${[...path, other].join(' -> ')}`);
      const text = isOurs(other) ? this.#given(other, path)?.text : this.#env[other];
      if (!text) throw new ConfigError(`${name}: refers to ${other}, which is not set`);
      length += text.length;
      if (length > MAX_LENGTH) throw new ConfigError(`${name}: is longer than ${MAX_LENGTH} characters`);
      return text;
    });
  }
}

function isOurs(name: string): boolean {
  return name.startsWith('LEASEHOLD_') || variableOf(name) !== undefined;
}

/** What backends.yaml names is not in the catalogue and holds a secret as a rule. */
function mayBeFile(name: string): boolean {
  const variable = variableOf(name);
  return variable === undefined || variable.secret === true;
}

function readSecret(name: string, path: string): string {
  let text: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Error('it is no regular file');
    if (stat.size > MAX_LENGTH) throw new Error(`it is larger than ${MAX_LENGTH} bytes`);
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${name}${FILE_SUFFIX}: ${path} cannot be read (${code ?? message})`);
  }
  if (text === '') throw new ConfigError(`${name}${FILE_SUFFIX}: ${path} is empty`);
  return text;
}

/** How a text is written that must not be filled in. */
export function literally(text: string): string {
  return text.replaceAll(/\$\{[A-Za-z_][A-Za-z0-9_]*\}/g, (reference) => `$${reference}`);
}

/** This process's environment. Nobody else reads it. */
export function processEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/** For libraries that the environment alone configures: sets what nobody has set. */
export function presetEnvironment(name: string, value: string): void {
  process.env[name] ??= value;
}
