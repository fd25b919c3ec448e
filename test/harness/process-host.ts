// A host of a test's own: its folder, its users and ports that nobody else hands out.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostOptions, type HostPorts, openProcessHost, type ProcessHost } from '../../activities/host';
import { randomBase32 } from '../../shared/crypto';
import { findFreePort } from '../../stack/ports';

export interface TestHost {
  options: HostOptions;
  processes: ProcessHost;
  /** As after the end of the host worker. */
  reopen(): Promise<ProcessHost>;
  /** Removes every object, the processes included. */
  destroy(): Promise<void>;
}

/** Free ones of the system, kept by name in this process. */
export function testPorts(): HostPorts {
  const ports = new Map<string, number>();
  return {
    claim: async (objectName) => {
      const port = ports.get(objectName) ?? (await findFreePort(ports.values()));
      ports.set(objectName, port);
      return port;
    },
    release: async (objectName) => void ports.delete(objectName),
  };
}

/** Below the users of the stack's hosts. */
const LOWEST_UID = 1_000_000;
const MOST_HOSTS = 980_000;
const UIDS_PER_HOST = 100;
const HOSTS_PER_PROCESS = 20;
let hostsOfThisProcess = 0;

/** Of nobody else's on this machine: a host kills whatever runs as a user that it gives up. */
export function testUids(): HostOptions['uidRange'] {
  const host = process.pid * HOSTS_PER_PROCESS + (hostsOfThisProcess++ % HOSTS_PER_PROCESS);
  const first = LOWEST_UID + (host % MOST_HOSTS) * UIDS_PER_HOST;
  return { first, last: first + UIDS_PER_HOST - 1 };
}

export async function startTestHost(given: Partial<HostOptions> = {}): Promise<TestHost> {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-test-host-'));
  // Tenants' users pass through it.
  chmodSync(directory, 0o711);
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const options: HostOptions = {
    hostName: `test-${randomBase32(8)}`,
    directory,
    bindAddress: '127.0.0.1',
    uidRange: testUids(),
    ports: testPorts(),
    logger: quiet,
    ...given,
  };
  const host: TestHost = {
    options,
    processes: await openProcessHost(options),
    reopen: async () => {
      await host.processes.close();
      host.processes = await openProcessHost(options);
      return host.processes;
    },
    destroy: async () => {
      for (const name of await host.processes.list()) await host.processes.remove(name);
      await host.processes.close();
      rmSync(options.directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return host;
}
