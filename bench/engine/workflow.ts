// A provision without its contents: started with an update, some local activities in a row, then asleep.
import { condition, proxyLocalActivities, setHandler, sleep } from '@temporalio/workflow';
import { ENGINE_STEPS, type EngineActivities, engineReadyUpdate } from './messages';

const { nothing } = proxyLocalActivities<EngineActivities>({ startToCloseTimeout: '2s' });

export async function engine(): Promise<void> {
  let ready = false;
  setHandler(engineReadyUpdate, async () => {
    await condition(() => ready);
    return 'ready';
  });
  for (let step = 0; step < ENGINE_STEPS; step += 1) await nothing();
  ready = true;
  await sleep('1 day');
}
