// The bench workflow's public face: the least that a provision needs of the engine, and no SQL.
import { defineUpdate } from '@temporalio/workflow';

export const ENGINE_TASK_QUEUE = 'bench-engine';
/** As a kind's or a host's: the activity's worker is not the workflow's. */
export const ENGINE_ACTIVITY_TASK_QUEUE = 'bench-engine-activity';
export const ENGINE_WORKFLOW_TYPE = 'engine';

/**
 * `warm`: one local activity, as a provision from the warm pool has. `cold`: a local one, one on another queue, a local one, as
 * every provision has that calls its backend.
 */
export type EngineShape = 'warm' | 'cold';

export interface EngineActivities {
  nothing(): Promise<void>;
}

export const engineReadyUpdate = defineUpdate<string, []>('ready');
