// The worker's entry point.
import { runWorker } from '../worker';
import { runWorkerProcess } from '../worker/entry';

runWorkerProcess('worker', runWorker);
