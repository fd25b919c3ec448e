import { jest } from '@jest/globals';
import { describeBackendContract } from './backend.contract';
import { startPostgresHarness } from './postgres-harness';

jest.setTimeout(60_000);

describeBackendContract('postgres', startPostgresHarness, { killedMakers: true });
