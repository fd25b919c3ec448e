import { migrate } from '../../shared/db';

/** `node dist/stack/processes/migrate.js`: brings the database of LEASEHOLD_DATABASE_OWNER_URL up to date, for deployments without the embedded stack. */
async function main(): Promise<void> {
  const ownerUrl = process.env.LEASEHOLD_DATABASE_OWNER_URL;
  if (!ownerUrl) throw new Error('LEASEHOLD_DATABASE_OWNER_URL is not set: give the url of the role that owns the database');
  const { applied, version } = await migrate({ ownerUrl, appRole: process.env.LEASEHOLD_DATABASE_APP_ROLE ?? 'leasehold_app' });
  process.stdout.write(`database is at ${version}, ${applied.length} migrations applied\n`);
}

main().catch((error) => {
  process.stderr.write(`leasehold: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
