// The relay as a process.
import { ConfigError, processEnvironment } from '../../shared/config';
import { runRelay } from '../relay';

const EXIT_CONFIGURATION = 78;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
// Without its supervisor a relay would run on unseen.
process.on('disconnect', () => stop.abort());

runRelay({ env: processEnvironment(), stop: stop.signal, onReady: () => void process.send?.('ready') })
  .then(() => process.exit(0))
  .catch((error: unknown) => {
    process.stderr.write(`relay: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof ConfigError ? EXIT_CONFIGURATION : 1);
  });
