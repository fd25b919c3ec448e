// A provision without its contents: started with an update, some empty activities in a row, then asleep.
import { condition, proxyActivities, proxyLocalActivities, setHandler, sleep } from '@temporalio/workflow';
import { ENGINE_ACTIVITY_TASK_QUEUE, type EngineActivities, type EngineShape, engineReadyUpdate } from './messages';

const local = proxyLocalActivities<EngineActivities>({ startToCloseTimeout: '2s' });
const remote = proxyActivities<EngineActivities>({ startToCloseTimeout: '2m', taskQueue: ENGINE_ACTIVITY_TASK_QUEUE });

export async function engine(shape: EngineShape): Promise<void> {
  let ready = false;
  setHandler(engineReadyUpdate, async () => {
    await condition(() => ready);
    return 'ready';
  });
  await local.nothing();
  if (shape === 'cold') {
    await remote.nothing();
    await local.nothing();
  }
  ready = true;
  await sleep('1 day');
}
