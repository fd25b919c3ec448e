// The host worker’s entry point.
import { processEnvironment } from '../../shared/config';
import { runHostWorker } from '../worker/host';

const EXIT_CONFIGURATION = 78;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
// Without its supervisor a host worker would run on unseen.
process.on('disconnect', () => stop.abort());

let ready = false;
const onReady = () => {
  ready = true;
  process.send?.('ready');
};

runHostWorker({ env: processEnvironment(), stop: stop.signal, onReady })
  .then(() => process.exit(0))
  .catch((error: unknown) => {
    process.stderr.write(`host: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(ready ? 1 : EXIT_CONFIGURATION);
  });
