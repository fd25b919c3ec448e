// Starts worker-process.ts: workers that can be killed, or kept busy, without this process noticing.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { TestDatabase } from './database';
import type { FromWorkerProcess, WorkerProcessOptions } from './worker-process';

export interface WorkerProcess {
  child: ChildProcess;
  /** The activity calls of each resource so far. */
  calls: Map<string, string[]>;
  /** The resources that have come to their crash point. */
  reached: Set<string>;
  /** Resolves with the signal that ended it. */
  exited: Promise<string | null>;
}

/** Resolves once its workers poll. The database needs the tables of `prepareDurableBackend`. */
export async function startWorkerProcess(options: { database: TestDatabase; namespace: string; address: string }): Promise<WorkerProcess> {
  const { appUrl, ownerUrl, installationId } = options.database;
  const { address, namespace } = options;
  const argument: WorkerProcessOptions = { address, namespace, appUrl, ownerUrl, installationId };
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'worker-process.ts')], {
    env: { ...process.env, LEASEHOLD_TEST_WORKER: JSON.stringify(argument) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const calls: WorkerProcess['calls'] = new Map();
  const reached: WorkerProcess['reached'] = new Set();
  const exited = new Promise<string | null>((resolve) => child.once('close', (_code, signal) => resolve(signal)));
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => reject(new Error('the worker process ended before it was ready')));
    child.on('message', (message: FromWorkerProcess) => {
      if (message.type === 'ready') resolve();
      else if (message.type === 'reached') reached.add(message.resourceId);
      else calls.set(message.resourceId, [...(calls.get(message.resourceId) ?? []), message.name]);
    });
  });
  return { child, calls, reached, exited };
}
