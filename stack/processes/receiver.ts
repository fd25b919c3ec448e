// The webhook receiver as a process.
import { runReceiver } from '../../api/receiver/main';

void runReceiver(process.env);
