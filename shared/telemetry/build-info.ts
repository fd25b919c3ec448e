// Which build a scrape was answered by.
import { Gauge, type Registry } from 'prom-client';
import { buildInfo } from '../buildinfo';

/** The usual constant gauge: what runs, for panels and for telling releases apart. */
export function registerBuildInfo(registry: Registry, processName: string): void {
  const { version, commitId } = buildInfo();
  new Gauge({
    name: 'leasehold_build_info',
    help: 'Always 1; the labels say which build and which of its processes this is.',
    labelNames: ['process', 'version', 'commit_id'],
    registers: [registry],
  }).set({ process: processName, version, commit_id: commitId }, 1);
}
