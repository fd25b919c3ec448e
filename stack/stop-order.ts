import { TEMPORAL } from './temporal';

export const API = 'api';
export const RECEIVER = 'receiver';
export const RELAY = 'relay';
export const WORKER = 'worker';
const HOST_PREFIX = 'host-';

export const hostService = (hostName: string): string => `${HOST_PREFIX}${hostName}`;

/** First who serves callers, then what they stand on: without a worker the api's open requests could only wait until they are cut. */
export const STAGES = ['edge', 'workers', 'workflows', 'servers'] as const;
export type Stage = (typeof STAGES)[number];

export function stageOf(name: string): Stage {
  if (name === API || name === RECEIVER) return 'edge';
  if (name === WORKER || name.startsWith(HOST_PREFIX)) return 'workers';
  // After the workers: it still publishes their last events.
  return name === TEMPORAL || name === RELAY ? 'workflows' : 'servers';
}
