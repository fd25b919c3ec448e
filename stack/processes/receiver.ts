// The webhook receiver as a process.
import { runReceiver } from '../../api/receiver/main';
import { processEnvironment } from '../../shared/config';

void runReceiver(processEnvironment());
