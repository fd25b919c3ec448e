// The bench workflow's worker, a process of its own with the settings of the product's.
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { ENGINE_ACTIVITY_TASK_QUEUE, ENGINE_TASK_QUEUE, type EngineActivities } from './messages';

async function main(): Promise<void> {
  const [address = '', namespace = '', codePath = ''] = process.argv.slice(2);
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address });
  const activities: EngineActivities = { nothing: async () => undefined };
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: ENGINE_TASK_QUEUE,
    workflowBundle: { codePath },
    maxCachedWorkflows: 500,
    stickyQueueScheduleToStartTimeout: '1s',
    activities,
  });
  const remote = await Worker.create({ connection, namespace, taskQueue: ENGINE_ACTIVITY_TASK_QUEUE, activities });
  const workers = [worker, remote];
  const stop = () => {
    for (const each of workers) if (each.getState() === 'RUNNING') each.shutdown();
  };
  process.on('SIGTERM', stop);
  process.on('disconnect', stop);
  const runs = workers.map((each) => each.run());
  process.send?.('ready');
  await Promise.all(runs);
  await connection.close();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`engine worker: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
