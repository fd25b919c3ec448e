// Which build is running: commit, build time and version, as the build stamped them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface BuildInfo {
  commitId: string;
  /** ISO 8601, or `dev` when running from source. */
  buildTime: string;
  version: string;
}

// From dist/shared/buildinfo this is dist, from source the repository.
const ROOT = join(__dirname, '../..');

function readStrings(path: string): Partial<Record<string, string>> | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) return null;
    return Object.fromEntries(Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch {
    // No stamp is how running from source looks; a health answer must not fail for it.
    return null;
  }
}

/** Reads the stamp in `<root>/build-info.json`; without one it is a `dev` build of what `<root>/package.json` says. */
export function readBuildInfo(root: string): BuildInfo {
  const stamp = readStrings(join(root, 'build-info.json'));
  const version = stamp?.version ?? readStrings(join(root, 'package.json'))?.version ?? '0.0.0';
  return { commitId: stamp?.commitId ?? 'dev', buildTime: stamp?.buildTime ?? 'dev', version };
}

let cached: Readonly<BuildInfo> | undefined;

/** Read once a process. */
export function buildInfo(): Readonly<BuildInfo> {
  cached ??= Object.freeze(readBuildInfo(ROOT));
  return cached;
}
