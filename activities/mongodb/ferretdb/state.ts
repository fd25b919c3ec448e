// What is remembered of one FerretDB process: in a file that the process cannot change, since its tenant may change all that is inside it.
import type { ResourceLimits } from '../../../shared/resourcetype';
import type { ProcessHost } from '../../host/types';

export type StorageEngine = 'sqlite' | 'postgres';

export interface FerretdbState {
  /** Chosen when the object is made; data does not move from one to the other. */
  engine: StorageEngine;
  /** Credential versions that may log in, oldest first. */
  versions: readonly number[];
  /** As they were last applied. */
  limits: ResourceLimits;
  cut: boolean;
  readOnly: boolean;
  /** The users are being thrown away and made anew: until that is done, nothing is known of who can log in. */
  rebuilding: boolean;
}

const FILE = 'state.json';
const LIMITS_FILE = 'limits.json';

export async function readState(host: ProcessHost, objectName: string): Promise<FerretdbState | null> {
  const text = await host.readConfig(objectName, FILE);
  return text === null ? null : (JSON.parse(text) as FerretdbState);
}

/**
 * With the limits that the process itself enforces: it reads them anew at every login, so they need no restart. `whileSyncing` may rely on
 * both files but for a loss of power.
 */
export async function writeState(
  host: ProcessHost,
  objectName: string,
  state: FerretdbState,
  whileSyncing?: () => Promise<void>,
): Promise<FerretdbState> {
  const config = { [FILE]: JSON.stringify(state), [LIMITS_FILE]: JSON.stringify(processLimits(state.limits)) };
  await host.writeFiles(objectName, { config, private: {} }, whileSyncing);
  return state;
}

export function limitsFileOf(host: ProcessHost, objectName: string): string {
  return host.configPathOf(objectName, LIMITS_FILE);
}

/** 0 = not limited. */
export function processLimits(limits: ResourceLimits): { connections: number; opsPerMinute: number } {
  const figure = (limit: number | undefined) => (limit === undefined || limit < 0 ? 0 : Math.max(1, limit));
  return { connections: figure(limits.connections), opsPerMinute: figure(limits.opsPerMinute) };
}
