// The api as a process.
import { runApi } from '../../api/main';
import { processEnvironment } from '../../shared/config';

void runApi(processEnvironment());
