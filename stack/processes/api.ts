// The api as a process.
import { runApi } from '../../api/main';

void runApi(process.env);
