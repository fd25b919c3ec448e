// The snippets of the documentation, and how they are run: as a reader would, one after the other in one folder.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const LANGUAGES = ['sh', 'js', 'python'] as const;
type Language = (typeof LANGUAGES)[number];

export interface Snippet {
  language: Language;
  code: string;
  /** Of its first line in the page. */
  line: number;
  /** What stands behind `->` in its comments: each must be printed, in this order. */
  prints: string[];
}

/** Every block of the section "Snippets" in a language that is run. */
export function snippetsOf(page: string): Snippet[] {
  const found: Snippet[] = [];
  let inSection = false;
  let open: { language: string; line: number; code: string[] } | null = null;
  for (const [index, text] of page.split('\n').entries()) {
    const fence = /^```(\w*)/.exec(text);
    if (open !== null && fence !== null) {
      const language = LANGUAGES.find((known) => known === open?.language);
      const code = open.code.join('\n');
      if (inSection && language !== undefined) found.push({ language, code, line: open.line, prints: printsOf(code) });
      open = null;
    } else if (open !== null) open.code.push(text);
    else if (fence !== null) open = { language: fence[1] ?? '', line: index + 2, code: [] };
    else if (text.startsWith('## ')) inSection = text === '## Snippets';
  }
  return found;
}

function printsOf(code: string): string[] {
  return [...code.matchAll(/(?:#|\/\/) -> (.+)$/gm)].map(([, text]) => text?.trim() ?? '');
}

const COMMANDS = ['psql', 'pg_dump', 'redis-cli', 'mongosh', 'nats', 'aws'];
/** pg_dump must be as new as the server, and what stands on PATH may be older. */
const FETCHED_ONLY = ['pg_dump'];
const PYTHON_PACKAGES = 'Python packages';

export interface SnippetTools {
  /** Folders that are looked through for commands, first to last. */
  path: string[];
  /** Those of them that `npm run docs:check` has filled. */
  fetched: string[];
  /** With the packages that the snippets import; null where there is none. */
  python: string | null;
}

/** @param folder where `npm run docs:check` has put what it fetched */
export function findTools(folder: string): SnippetTools {
  const python = join(folder, 'venv/bin/python');
  const fetched = ['venv/bin', 'mongosh/node_modules/.bin', 'postgres/bin'].map((name) => join(folder, name));
  return {
    path: [...fetched, ...(process.env.PATH ?? '').split(delimiter)],
    fetched,
    python: existsSync(python) ? python : null,
  };
}

/** What a snippet needs and this machine does not have; null when it can be run. */
export function missingFor(snippet: Snippet, tools: SnippetTools): string | null {
  if (snippet.language === 'python') return tools.python === null ? PYTHON_PACKAGES : null;
  if (snippet.language === 'js') return null;
  const named = COMMANDS.filter((command) => new RegExp(`(^|[|;(]\\s*)(\\w+=\\S+ )*${command} `, 'm').test(snippet.code));
  return named.find((command) => !isIn(FETCHED_ONLY.includes(command) ? tools.fetched : tools.path, command)) ?? null;
}

function isIn(folders: readonly string[], command: string): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const ENVIRONMENT = '.environment';
const TIMEOUT_MS = 60_000;

/** One page's reader: what a shell snippet exports is there for the snippets after it, and nothing else is. */
export class Reader {
  #environment: Record<string, string>;
  #count = 0;

  /** @param apiUrl put where the page has the address that `npm start` prints */
  constructor(private readonly options: { folder: string; root: string; apiUrl: string; tools: SnippetTools }) {
    mkdirSync(options.folder, { recursive: true });
    symlinkSync(join(options.root, 'node_modules'), join(options.folder, 'node_modules'));
    this.#environment = {
      PATH: options.tools.path.join(delimiter),
      HOME: options.folder,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    };
  }

  /** What it printed. Rejects when it fails. */
  async run(snippet: Snippet): Promise<string> {
    const code = snippet.code.replaceAll('http://127.0.0.1:8080', this.options.apiUrl);
    const { folder, tools } = this.options;
    this.#count += 1;
    switch (snippet.language) {
      case 'sh': {
        const printed = await this.#spawn('bash', ['-euo', 'pipefail', '-c', `${code}\nenv -0 > ${ENVIRONMENT}`]);
        const variables = readFileSync(join(folder, ENVIRONMENT), 'utf8').split('\0').filter(Boolean);
        this.#environment = Object.fromEntries(
          variables.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
        );
        return printed;
      }
      case 'js':
        return await this.#file(process.execPath, `snippet-${this.#count}.mjs`, code);
      case 'python':
        return await this.#file(tools.python ?? 'python3', `snippet-${this.#count}.py`, code);
    }
  }

  #file(program: string, name: string, code: string): Promise<string> {
    writeFileSync(join(this.options.folder, name), code);
    return this.#spawn(program, [name]);
  }

  #spawn(program: string, args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: this.options.folder,
        env: this.#environment,
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: TIMEOUT_MS,
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString('utf8');
      });
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString('utf8');
      });
      child.once('error', reject);
      child.once('close', (code) => (code === 0 ? resolve(stdout) : reject(new Error(`it ended with ${code}: ${stdout}${stderr}`))));
    });
  }
}
