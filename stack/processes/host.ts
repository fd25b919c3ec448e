// The host worker’s entry point.
import { runWorkerProcess } from '../worker/entry';
import { runHostWorker } from '../worker/host';

runWorkerProcess('host', runHostWorker);
