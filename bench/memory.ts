// Memory and processor time of single processes. Linux only.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const MS_PER_TICK = 10;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Proportional: what is shared counts by its share. */
export function pssKb(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

export function withChildren(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(withChildren)];
}

/** Its own alone: what it started for others is not its. */
export function ownCpuMs(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * MS_PER_TICK;
}

export interface HostedProcess {
  objectName: string;
  kind: string;
  pid: number;
}

/** What a host runs, by what it has written down. */
export function hostedProcesses(hostDirectory: string): HostedProcess[] {
  const run = join(hostDirectory, 'run');
  return readdirSync(run)
    .filter((file) => file.endsWith('.process'))
    .flatMap((file) => {
      const objectName = file.slice(0, -'.process'.length);
      const state = read(join(hostDirectory, 'state', `${objectName}.json`));
      const pid = Number(read(join(run, file)).split('\n')[2]?.split(' ')[0]);
      if (!state || !pid) return [];
      const { spec } = JSON.parse(state) as { spec: { kind: string } | null };
      return spec === null ? [] : [{ objectName, kind: spec.kind, pid }];
    });
}
