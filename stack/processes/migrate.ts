import { processEnvironment, readConfig } from '../../shared/config';
import { migrate } from '../../shared/db';

/** `node dist/stack/processes/migrate.js`: brings the database of LEASEHOLD_DATABASE_OWNER_URL up to date, for deployments without the embedded stack. */
async function main(): Promise<void> {
  const config = readConfig('migrate', processEnvironment());
  const { applied, version } = await migrate({
    ownerUrl: config.LEASEHOLD_DATABASE_OWNER_URL,
    appRole: config.LEASEHOLD_DATABASE_APP_ROLE,
  });
  process.stdout.write(`database is at ${version}, ${applied.length} migrations applied\n`);
}

main().catch((error) => {
  process.stderr.write(`leasehold: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
