import { jest } from '@jest/globals';
import { POSTGRES_WARM_TEMPLATE } from '../../activities/postgres';
import { describeBackendContract } from './backend.contract';
import { startPostgresHarness } from './postgres-harness';

jest.setTimeout(60_000);

describeBackendContract('postgres', startPostgresHarness, { killedMakers: true, warmTemplate: () => POSTGRES_WARM_TEMPLATE });
