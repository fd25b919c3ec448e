// Which process it is: a pid alone says nothing, since the system hands pids out again.
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  bootId: string;
  /** In clock ticks since that boot. */
  startTicks: string;
}

export interface LaunchRecord extends ProcessIdentity {
  /** Of the spec that it was launched with. */
  specDigest: string;
}

interface Stat {
  pid: number;
  state: string;
  startTicks: string;
}

/** A line of /proc/<pid>/stat. The command may hold blanks and brackets, so fields are counted from its last `)`. */
export function parseStat(line: string): Stat | null {
  const pid = Number(/^\d+/.exec(line)?.[0]);
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return Number.isInteger(pid) && state && startTicks && /^\d+$/.test(startTicks) ? { pid, state, startTicks } : null;
}

/** What the launcher wrote about itself: boot id, digest, stat line. Null when it was written half. */
export function parseLaunchRecord(text: string): LaunchRecord | null {
  const [bootId, specDigest, line] = text.split('\n');
  const stat = parseStat(line ?? '');
  return bootId && specDigest && stat ? { pid: stat.pid, startTicks: stat.startTicks, bootId, specDigest } : null;
}

export function isRunning(identity: ProcessIdentity): boolean {
  const stat = parseStat(readOrEmpty(`/proc/${identity.pid}/stat`));
  const ended = stat === null || stat.state === 'Z' || stat.state === 'X';
  return !ended && stat.startTicks === identity.startTicks && bootId() === identity.bootId;
}

/** Direct children, oldest first. */
export function childrenOf(pid: number): number[] {
  return readOrEmpty(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

const PAGE_BYTES = 4096;

export function residentBytes(pid: number): number {
  return Number(readOrEmpty(`/proc/${pid}/statm`).split(' ')[1] ?? 0) * PAGE_BYTES;
}

/** Shared pages count by their share; needs the right to look into the process, else what is resident. */
export function proportionalBytes(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readOrEmpty(`/proc/${pid}/smaps_rollup`))?.[1];
  return kilobytes === undefined ? residentBytes(pid) : Number(kilobytes) * 1024;
}

let thisBoot: string | null = null;

function bootId(): string {
  thisBoot ??= readOrEmpty('/proc/sys/kernel/random/boot_id').trim();
  return thisBoot;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
