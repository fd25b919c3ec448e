// The frame of a worker's process: told to stop by a signal, by its supervisor's end or by an error that nobody caught; exit codes.
import { processEnvironment } from '../../shared/config';
import { startFailure } from '../../shared/uncaught';

const EXIT_CONFIGURATION = 78;

export interface WorkerRun {
  env: NodeJS.ProcessEnv;
  stop: AbortSignal;
  /** Called once resources can be made. */
  onReady: () => void;
  /** Ends the process in order, as a failed one: for an error that nobody caught. */
  end: () => void;
}

export function runWorkerProcess(name: string, run: (options: WorkerRun) => Promise<void>): void {
  const stop = new AbortController();
  let ready = false;
  let broken = false;
  const exit = (code: number) => process.exit(broken && code === 0 ? 1 : code);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  // Without its supervisor a worker would run on unseen.
  process.on('disconnect', () => stop.abort());
  const end = () => {
    broken = true;
    // Before it is ready there is no work to finish.
    if (ready) stop.abort();
    else exit(1);
  };
  const onReady = () => {
    ready = true;
    process.send?.('ready');
  };
  run({ env: processEnvironment(), stop: stop.signal, onReady, end })
    .then(() => exit(0))
    .catch((error: unknown) => {
      process.stderr.write(startFailure(name, error));
      exit(ready ? 1 : EXIT_CONFIGURATION);
    });
}
