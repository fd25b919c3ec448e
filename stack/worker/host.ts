// The host worker process: runs what needs a process for each resource, on this machine. Ending it leaves all of that running.
import { isIP } from 'node:net';
import { Worker } from '@temporalio/worker';
import type { KindBackend } from '../../activities/backend';
import { openProcessHost, type ProcessHost } from '../../activities/host';
import { createKindActivities } from '../../activities/kind-activities';
import { createHostPorts } from '../../activities/platform/host-ports';
import { createPoolFiller } from '../../activities/platform/pool';
import { createUpkeepMetrics } from '../../activities/platform/upkeep';
import type { BackendConfig, HostConfig } from '../../shared/plans';
import { hostTaskQueue, type ResourceKind } from '../../shared/resourcetype';
import { watchBackends } from './backends';
import { readHostConfig } from './config';
import { dispatching } from './dispatch';
import type { WorkerRun } from './entry';
import { createKinds } from './kinds';
import { openWorkerProcess, upkeepActivities, type WorkerProcess } from './process';

/** Most of the time of each is waiting for a process that begins. */
const ACTIVITIES_AT_ONCE = 16;

type HostWorkerConfig = ReturnType<typeof readHostConfig>;

/** Runs until `stop` is aborted; `onReady` is called once resources can be made. */
export async function runHostWorker(options: WorkerRun): Promise<void> {
  const config = readHostConfig(options.env);
  const process = await openWorkerProcess(config, {
    name: `host-${config.name}`,
    env: options.env,
    end: options.end,
    reachesServers: false,
  });
  const host = process.file.hosts.find(({ name }) => name === config.name);
  if (host === undefined) throw new Error(`LEASEHOLD_HOST_NAME: ${config.name} is not among the hosts of backends.yaml`);
  const configs = process.file.backends.filter((backend) => backend.host === host.name);
  const processes = await openHost(process, { host, config });
  const kinds = createKinds({
    dependencies: process.dependencies,
    backends: configs,
    host: { config: host, processes },
    secretOf: config.secretOf,
  });
  const worker = await createHostWorker(process, { host, configs, kinds });
  const running = process.run([worker], options.stop);
  const watch = await watchBackends({ pool: process.pool, logger: process.logger, kinds, configs, host });
  process.logger.info('host worker is ready', { host: host.name, backends: configs.map(({ name }) => name) });
  options.onReady();
  try {
    await running;
  } finally {
    watch.stop();
    await Promise.all([...kinds.values()].map((backend) => backend.close()));
    await processes.close();
    await process.close();
  }
}

function openHost(process: WorkerProcess, { host, config }: { host: HostConfig; config: HostWorkerConfig }): Promise<ProcessHost> {
  const { pool, logger } = process;
  return openProcessHost({
    hostName: host.name,
    directory: config.directory,
    bindAddress: config.bindAddress ?? bindAddressFor(host.address),
    uidRange: config.uidRange,
    ports: createHostPorts({ pool, hostName: host.name, firstPort: host.firstPort, lastPort: host.lastPort }),
    logger,
    sandbox: config.sandbox,
  });
}

/** An address of this machine as it stands; behind a name there may be anything, so then all of them. */
function bindAddressFor(address: string): string {
  if (address === 'localhost') return '127.0.0.1';
  return isIP(address) === 0 ? '0.0.0.0' : address;
}

function createHostWorker(
  process: WorkerProcess,
  parts: { host: HostConfig; configs: readonly BackendConfig[]; kinds: ReadonlyMap<ResourceKind, KindBackend> },
): Promise<Worker> {
  const backend = dispatching(parts);
  const metrics = createUpkeepMetrics(process.registry);
  const { pool, logger } = process;
  return Worker.create({
    ...process.workerOptions,
    taskQueue: hostTaskQueue(parts.host.name),
    maxConcurrentActivityTaskExecutions: ACTIVITIES_AT_ONCE,
    activities: {
      ...createKindActivities(backend),
      ...createPoolFiller({ pool, poolMaker: backend, metrics, logger }),
      ...upkeepActivities(process, backend, metrics),
    },
  });
}
