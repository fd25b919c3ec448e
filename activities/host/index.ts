// Hosts: processes for tenants on this machine, which outlive the worker that started them (docs/decisions/hosts.md).
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findConfinement, openGroups } from './confine';
import { Host } from './host';
import { lockDirectory } from './lock';
import { HostRecords } from './records';
import type { HostOptions, ProcessHost } from './types';
import { UserIds } from './users';

export type { Confinement, HostLogger, HostOptions, HostPorts, HostProcessSpec, ObjectFiles, ProcessHost, ProcessState } from './types';

const run = promisify(execFile);

/**
 * Adopts what runs and starts what should run.
 * @throws ProviderMisconfigured when another host worker has the folder, or when a tool that it needs is not there
 */
export async function openProcessHost(options: HostOptions): Promise<ProcessHost> {
  const records = new HostRecords(options.directory);
  await records.prepare();
  const lock = await lockDirectory(options.directory);
  try {
    const groups = openGroups(options.hostName);
    const confinement = await findConfinement({ sandbox: options.sandbox ?? 'auto', groups });
    const stored = await records.readAll();
    const taken = stored.flatMap((record) => record.uid ?? []);
    const host = new Host({
      options,
      records,
      groups,
      confinement,
      users: new UserIds(options.uidRange, taken),
      secret: await records.hostSecret(),
      lock,
      setAddressSpace: async (pid, bytes) => {
        await run('prlimit', [`--pid=${pid}`, `--as=${bytes}`]);
      },
    });
    await host.begin(stored);
    options.logger.info('host is open', { host: options.hostName, objects: stored.length, ...confinement });
    return host;
  } catch (error) {
    await lock.release();
    throw error;
  }
}
