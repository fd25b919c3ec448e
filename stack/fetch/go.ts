// The Go that programs without a package are built with.
import { processEnvironment } from '../../shared/config';
import { StackError } from '../errors';
import { run } from './run';

/** @throws StackError with the remedy */
export async function assertGo(
  program: string,
  [oldestMajor, oldestMinor]: readonly [number, number],
  remedy: string,
  signal?: AbortSignal,
): Promise<void> {
  const oldest = `${oldestMajor}.${oldestMinor}`;
  const output = await run('go', ['env', 'GOVERSION'], { signal, env: processEnvironment() }).catch(() => null);
  if (output === null) throw new StackError(`${program} is built with Go, which is not here: install Go ${oldest} or newer, or ${remedy}`);
  const [major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(output) ?? []).slice(1).map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new StackError(`${program} is built with Go ${oldest} or newer, and here is ${output.trim()}: upgrade it, or ${remedy}`);
}
