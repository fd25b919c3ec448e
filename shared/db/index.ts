// The one door to the platform's Postgres: pools, transactions, migrations, and the check that a process is no owner.
export { type MigrationState, migrate, migrationState } from './migrate';
export { assertUnprivileged, createPool, type PoolOptions, withTransaction } from './pool';
export { RESOURCE_COLUMNS, type ResourceRecord, resourceRowFromRecord, specFromRecord } from './records';
