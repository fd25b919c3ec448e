import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { processEnvironment } from '../../shared/config';

/** Runs a command to its end and answers what it wrote; a failure's message is the line that tells most. */
export function run(
  command: string,
  args: string[],
  options: { signal?: AbortSignal; cwd?: string; env?: NodeJS.ProcessEnv; uid?: number; gid?: number } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 16 * 1024 * 1024, ...options }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const lines = stderr.split('\n').map((line) => line.trim());
      const told = lines.find((line) => /^(ERROR|E:)/.test(line)) ?? lines.filter(Boolean).at(-1);
      reject(new Error(told || error.message, { cause: error }));
    });
  });
}

export async function answers(command: string, args: string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/** Every executable of that name on PATH, in PATH's order. */
export function onPath(name: string): string[] {
  return (processEnvironment().PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
