import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package's folder, from source (tests) as from dist. */
export function packageRoot(): string {
  let folder = __dirname;
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'leasehold') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json of leasehold not found above the stack');
    folder = parent;
  }
}

/** Makes a folder that only we may list. As root others may pass through it: Postgres runs as another user and its data is below. */
export function makeHome(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  const stat = statSync(dir);
  if ((stat.mode & 0o777) !== mode && stat.uid === process.getuid?.()) chmodSync(dir, mode);
}

/** Whole or not at all: a reader, or a start after a power cut, never sees half a file. */
export function writePrivateFile(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}
