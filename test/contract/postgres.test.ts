import { POSTGRES_WARM_TEMPLATE } from '../../activities/postgres';
import { describeBackendContract } from './backend.contract';
import { startPostgresHarness } from './postgres-harness';

describeBackendContract('postgres', startPostgresHarness, { killedMakers: true, warmTemplate: () => POSTGRES_WARM_TEMPLATE });
