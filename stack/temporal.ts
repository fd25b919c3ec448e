import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '../shared/config';
import { StackError } from './errors';
import { type Launched, launch } from './launch';
import { makeHome } from './paths';
import { findFreePort } from './ports';
import { isRunning, type ProcessIdentity, terminate } from './process-identity';
import { findTemporal } from './temporal-fetch';
import { ensureNamespace, SEARCH_ATTRIBUTES } from './temporal-namespace';

export const TEMPORAL = 'temporal';

// The poll rates of the dev server make every hop between tasks wait up to 50 ms; fairness is off by default; the operator's lists
// are throttled to a hundred a second.
const DYNAMIC_CONFIG = [
  'matching.enableFairness=true',
  'history.transferProcessorMaxPollRPS=5000',
  'history.timerProcessorMaxPollRPS=5000',
  'history.transferProcessorMaxPollHostRPS=20000',
  'frontend.namespaceRPS.visibility=1000',
  'system.forceSearchAttributesCacheRefreshOnRead=true',
];

export interface TemporalOptions {
  /** Holds the database (`<home>/temporal/temporal.db`) and the log. */
  home: string;
  binary: string;
  port: number;
  uiPort: number;
  namespace: string;
  /** Further `key=value` pairs; a later one of the same key wins. */
  dynamicConfig?: string[];
  /** Told as soon as the process exists, before it answers. */
  onLaunched?: (identity: ProcessIdentity) => void;
}

/** Starts the embedded Temporal server and waits until the namespace can be used. */
export async function startTemporal(options: TemporalOptions): Promise<{ launched: Launched; stop: (graceMs?: number) => Promise<void> }> {
  mkdirSync(join(options.home, 'temporal'), { recursive: true, mode: 0o700 });
  const launched = await launch({
    command: options.binary,
    args: temporalArguments(options),
    logFile: join(options.home, 'logs', `${TEMPORAL}.log`),
    env: { PATH: processEnvironment().PATH, HOME: join(options.home, 'temporal') },
    cwd: options.home,
  });
  options.onLaunched?.(launched.identity);
  const stop = (graceMs?: number) => stopTemporal(launched.identity, graceMs);
  try {
    const prepared = ensureNamespace({ address: `127.0.0.1:${options.port}`, namespace: options.namespace });
    const died = launched.exited.then(() => {
      throw new StackError(`temporal did not start: ${launched.lastErrorLine() || 'see its log'}`);
    });
    prepared.catch(() => {});
    died.catch(() => {});
    await Promise.race([prepared, died]);
    // Something else on this port would have answered as well.
    if (!isRunning(launched.identity)) await died;
  } catch (error) {
    await stop();
    throw error;
  }
  return { launched, stop };
}

export function stopTemporal(identity: ProcessIdentity, graceMs = 5_000): Promise<void> {
  return terminate(identity, [
    { signal: 'SIGTERM', waitMs: graceMs },
    { signal: 'SIGKILL', waitMs: 1_000 },
  ]);
}

export function temporalArguments(options: TemporalOptions): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(options.port), '--ui-port', String(options.uiPort)],
    ...['--namespace', options.namespace, '--db-filename', join(options.home, 'temporal', 'temporal.db')],
    // Acknowledged means on disk.
    ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=2'],
    ...Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
    ...mergeDynamicConfig(options.dynamicConfig ?? []).flatMap((pair) => ['--dynamic-config-value', pair]),
    ...['--log-format', 'json', '--log-level', 'warn'],
  ];
}

function mergeDynamicConfig(extra: string[]): string[] {
  const merged = new Map([...DYNAMIC_CONFIG, ...extra].map((pair) => [pair.slice(0, pair.indexOf('=')), pair]));
  return [...merged.values()];
}

export interface TemporalHandle {
  address: string;
  uiUrl: string;
  binary: string;
  port: number;
  pid: number;
  stop: () => Promise<void>;
}

/** Finds or fetches the binary and starts one server in `dir`, on free ports unless told. */
export async function startTemporalServer(options: {
  dir: string;
  cacheDir: string;
  namespace: string;
  dynamicConfig?: string[];
  port?: number;
  uiPort?: number;
}): Promise<TemporalHandle> {
  makeHome(options.dir);
  const binary = await findTemporal({ cacheDir: options.cacheDir, binary: processEnvironment().LEASEHOLD_TEMPORAL_BIN });
  const port = options.port ?? (await findFreePort());
  const uiPort = options.uiPort ?? (await findFreePort([port]));
  const { dir: home, namespace, dynamicConfig } = options;
  const { launched, stop } = await startTemporal({ home, binary: binary.path, port, uiPort, namespace, dynamicConfig });
  return { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, binary: binary.path, port, pid: launched.identity.pid, stop };
}
