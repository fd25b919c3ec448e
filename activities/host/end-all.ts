// For whoever stops a whole machine's part: ends what a host runs while no host worker does. What should run stays written down.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGroups } from './confine';
import { isRunning, type LaunchRecord, parseLaunchRecord } from './identity';

/** Sends SIGTERM to all at once, SIGKILL to those that are there after `graceMs`. Answers how many there were. */
export async function endHostProcesses(host: { name: string; directory: string }, graceMs: number): Promise<number> {
  const launched = await launchedIn(join(host.directory, 'run'));
  const running = launched.flatMap(({ record }) => (record && isRunning(record) ? record : []));
  for (const record of running) signalGroup(record, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  while (running.some(groupLives) && Date.now() < deadline) await sleep(20);
  for (const record of running.filter(groupLives)) signalGroup(record, 'SIGKILL');
  while (running.some(groupLives) && Date.now() < deadline + 1_000) await sleep(20);
  const groups = launched.length === 0 ? null : openGroups(host.name);
  for (const { objectName } of launched) removeQuietly(() => groups?.remove(objectName));
  return running.length;
}

async function launchedIn(folder: string): Promise<{ objectName: string; record: LaunchRecord | null }[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.process'));
  return await Promise.all(
    names.map(async (name) => ({
      objectName: name.slice(0, -'.process'.length),
      record: parseLaunchRecord(await readFile(join(folder, name), 'utf8').catch(() => '')),
    })),
  );
}

/** The kernel's groups outlive what was in them. */
function removeQuietly(remove: () => void): void {
  try {
    remove();
  } catch {
    // Something of it is still ending; the next start uses the same group.
  }
}

/** Each leads a group of its own, the sandbox's watcher and the program in it. */
function signalGroup(record: LaunchRecord, name: NodeJS.Signals): void {
  try {
    process.kill(-record.pid, name);
  } catch {
    // Gone meanwhile: that is what was wanted.
  }
}

function groupLives(record: LaunchRecord): boolean {
  try {
    process.kill(-record.pid, 0);
    return true;
  } catch {
    return false;
  }
}
