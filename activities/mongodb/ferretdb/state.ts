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

export async function readState(host: ProcessHost, objectName: string): Promise<FerretdbState | null> {
  const text = await host.readConfig(objectName, FILE);
  return text === null ? null : (JSON.parse(text) as FerretdbState);
}

export async function writeState(host: ProcessHost, objectName: string, state: FerretdbState): Promise<FerretdbState> {
  await host.writeConfig(objectName, FILE, JSON.stringify(state));
  return state;
}

const LIMITS_FILE = 'limits.json';

/** What the process itself enforces, and reads anew at every login: no restart is needed. Answers where it is. */
export async function writeProcessLimits(host: ProcessHost, objectName: string, limits: ResourceLimits): Promise<string> {
  const figure = (limit: number | undefined) => (limit === undefined || limit < 0 ? 0 : Math.max(1, limit));
  const content = { connections: figure(limits.connections), opsPerMinute: figure(limits.opsPerMinute) };
  return await host.writeConfig(objectName, LIMITS_FILE, JSON.stringify(content));
}
