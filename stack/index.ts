// README: finds or fetches the servers that Leasehold runs on, starts them, supervises them, and starts api and worker.
export { StackError } from './errors';
export { findFreePort } from './ports';
export { type PostgresOptions, startPostgres } from './postgres';
export { type PlatformPostgres, startPlatformPostgres, startTenantsPostgres, type TenantsPostgres } from './postgres-servers';
export { startTemporal, startTemporalServer, type TemporalHandle, type TemporalOptions } from './temporal';
export { fetchTemporal, findTemporal, type TemporalBinary } from './temporal-fetch';
export { ensureNamespace } from './temporal-namespace';
