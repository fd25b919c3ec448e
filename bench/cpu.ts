// Processor time by process, which a busy machine distorts far less than it does latency. Linux only; elsewhere it is empty.
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel's clock ticks are a hundredth of a second on every Linux that Node runs on. */
const MS_PER_TICK = 10;
/** In /proc/<pid>/stat after the command: parent, then user and system time of the process and of the children it has waited for. */
const PARENT = 1;
const TIMES = [11, 12, 13, 14] as const;

/** Milliseconds used so far by each named process and everything below it. */
export function cpuMsByName(pids: ReadonlyMap<string, number>): Map<string, number> {
  const processes = new Map<number, { parent: number; ms: number }>();
  for (const entry of readEntries()) {
    const fields = readStat(entry);
    if (fields === null) continue;
    const ticks = TIMES.reduce((sum, index) => sum + Number(fields[index]), 0);
    processes.set(Number(entry), { parent: Number(fields[PARENT]), ms: ticks * MS_PER_TICK });
  }
  const names = new Map([...pids].map(([name, pid]) => [pid, name]));
  const used = new Map<string, number>();
  for (const [pid, { ms }] of processes) {
    let ancestor: number | undefined = pid;
    while (ancestor !== undefined && !names.has(ancestor)) ancestor = processes.get(ancestor)?.parent;
    const name = ancestor === undefined ? undefined : names.get(ancestor);
    if (name !== undefined) used.set(name, (used.get(name) ?? 0) + ms);
  }
  return used;
}

function readEntries(): string[] {
  try {
    return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  } catch {
    return [];
  }
}

function readStat(pid: string): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command may hold spaces and brackets.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}
