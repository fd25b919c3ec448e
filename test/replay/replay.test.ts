// Histories that were recorded once must replay on today's code, or live resources would stop at the next deploy.
// LEASEHOLD_RECORD_HISTORIES=1 records them anew; do that only for paths that are new, and read the difference.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, type Lifecycle } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { workflowBundlePath } from '../harness/servers';
import { ISOLATION_PATHS } from './isolation-paths';
import { NOTIFICATION_PATHS } from './notification-paths';
import { PATHS as RESOURCE_PATHS } from './paths';
import { UPKEEP_PATHS } from './upkeep-paths';

const PATHS = { ...RESOURCE_PATHS, ...UPKEEP_PATHS, ...NOTIFICATION_PATHS, ...ISOLATION_PATHS };
const HISTORIES = join(__dirname, 'histories');
const recording = process.env.LEASEHOLD_RECORD_HISTORIES === '1';
const { History } = temporal.api.history.v1;
type StoredHistory = temporal.api.history.v1.History;

/** The protobuf message in base64: JSON would be readable, but loses to the SDK's several copies of its protobuf library. */
const fileOf = (name: string): string => join(HISTORIES, `${name}.history`);
const read = (name: string): StoredHistory => History.decode(Buffer.from(readFileSync(fileOf(name), 'utf8'), 'base64'));
const write = (name: string, history: temporal.api.history.v1.IHistory): void =>
  writeFileSync(fileOf(name), `${Buffer.from(History.encode(history).finish()).toString('base64')}\n`);

function replay(history: StoredHistory, workflowId = 'resource/replayed'): Promise<void> {
  return Worker.runReplayHistory({ workflowBundle: { codePath: workflowBundlePath() } }, history, workflowId);
}

if (recording) describe('recording', record);

function record(): void {
  let database: TestDatabase;
  let backend: RecordingBackend;
  let lifecycle: Lifecycle;

  beforeAll(async () => {
    database = await createTestDatabase();
    backend = createRecordingBackend();
    lifecycle = await createLifecycle({ database, backend });
    await lifecycle.startWorkers();
  });
  afterAll(async () => {
    await lifecycle.close();
    await database.drop();
  });

  it.each(Object.keys(PATHS))('%s', async (name) => {
    backend.before = async () => undefined;
    backend.calls.length = 0;
    const lived = await PATHS[name]?.({ database, backend, lifecycle });
    if (lived === undefined) throw new Error(`no path ${name}`);
    const client = lived.client ?? lifecycle.client;
    write(name, await client.workflow.getHandle(lived.workflowId, lived.runId).fetchHistory());
    await lived.close?.();
  });
}

describe('recorded histories', () => {
  it('are there for every path', () => {
    for (const name of Object.keys(PATHS)) expect(existsSync(fileOf(name)) ? name : `no history of ${name}`).toBe(name);
  });

  it.each(Object.keys(PATHS))('%s replays', async (name) => {
    await replay(read(name));
  });

  it('would not replay on code that does something else', async () => {
    const history = read('paused-resumed');
    const cut = history.events.find((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'cut');
    const scheduled = cut?.activityTaskScheduledEventAttributes?.activityType;
    if (!scheduled) throw new Error('the history has no cut');
    scheduled.name = 'restore';
    await expect(replay(history)).rejects.toThrow(/TMPRL1100|[Nn]ondeterminism/);
  });
});
