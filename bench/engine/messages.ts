// The bench workflow's public face: the least that a provision needs of the engine, and no SQL.
import { defineUpdate } from '@temporalio/workflow';

export const ENGINE_TASK_QUEUE = 'bench-engine';
export const ENGINE_WORKFLOW_TYPE = 'engine';
/** As many local activities as a provision from the warm pool has: reserve, claim and transition are one. */
export const ENGINE_STEPS = 1;

export interface EngineActivities {
  nothing(): Promise<void>;
}

export const engineReadyUpdate = defineUpdate<string, []>('ready');
