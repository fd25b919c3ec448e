// README: finds or fetches the servers that Leasehold runs on, starts them, supervises them, and starts api and worker.
export { startPlatformPostgres, startTenantsPostgres } from './postgres-servers';
export { startTemporalServer } from './temporal';
export { ensureNamespace } from './temporal-namespace';
