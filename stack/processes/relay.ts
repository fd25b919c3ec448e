// The relay as a process.
import { runRelay } from '../relay';
import { runWorkerProcess } from '../worker/entry';

runWorkerProcess('relay', runRelay);
