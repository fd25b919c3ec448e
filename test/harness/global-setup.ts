// Starts the real servers once for the whole run: two Postgres servers and one Temporal dev server, in a throw-away folder.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import pg from 'pg';
import { migrate } from '../../shared/db';
import { startPlatformPostgres, startTemporalServer, startTenantsPostgres } from '../../stack';
import { TENANTS } from '../../stack/postgres-servers';
import { findNats } from '../../stack/servers/nats-binary';
import { installPgvector } from '../../stack/servers/pgvector';

export interface TestServers {
  stop: () => Promise<void>;
}

declare global {
  var leaseholdTestServers: TestServers | undefined;
}

const QUIET = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error };
const ROOT_PASSWORD = 'test-root';

/** `npm test` has built the product from these very sources; a single jest run may stand beside an older build, and bundles for itself. */
async function writeWorkflowBundle(dir: string): Promise<void> {
  const build = process.env.LEASEHOLD_TEST_BUILD;
  if (build !== undefined) {
    process.env.LEASEHOLD_TEST_WORKFLOW_BUNDLE = join(build, 'workflow-bundle.js');
    return;
  }
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(__dirname, '../../workflows/index.ts'),
    workflowInterceptorModules: [join(__dirname, '../../workflows/context/index.ts')],
    logger: QUIET,
  });
  const file = join(dir, 'workflow-bundle.js');
  writeFileSync(file, code);
  process.env.LEASEHOLD_TEST_WORKFLOW_BUNDLE = file;
}

async function startPlatform(dir: string) {
  const platform = await startPlatformPostgres({
    dir,
    fsync: false,
    passwords: { root: ROOT_PASSWORD, owner: 'test-owner', app: 'test-app' },
  });
  await migrate({ ownerUrl: platform.ownerUrl, appRole: 'leasehold_app' });
  // Each test file has a database of its own; the product's pg_hba.conf knows one name only.
  const rootUrl = `postgres://leasehold_root:${ROOT_PASSWORD}@127.0.0.1:${platform.port}/postgres`;
  const root = new pg.Client({ connectionString: rootUrl });
  await root.connect();
  const { rows } = await root.query<{ hba_file: string }>('SHOW hba_file');
  const hbaFile = rows[0]?.hba_file ?? '';
  writeFileSync(hbaFile, `host all leasehold_owner,leasehold_app 127.0.0.1/32 scram-sha-256\n${readFileSync(hbaFile, 'utf8')}`);
  await root.query('SELECT pg_reload_conf()');
  await root.end();
  process.env.LEASEHOLD_TEST_PLATFORM_ROOT_URL = rootUrl;
  process.env.LEASEHOLD_TEST_PLATFORM_OWNER_URL = platform.ownerUrl;
  process.env.LEASEHOLD_TEST_PLATFORM_APP_URL = platform.appUrl;
  return platform;
}

export default async function globalSetup(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-test-'));
  const started: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    await Promise.allSettled(started.map((end) => end()));
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  // Jest ends at a signal without its teardown, and would leave the servers behind.
  let isEnding = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (!isEnding) void stop().finally(() => process.exit(1));
      isEnding = true;
    });
  const cacheDir = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');
  // Postgres runs as a user of its own when we are root; that user must reach its data.
  chmodSync(dir, 0o755);
  const tenants = await startTenantsPostgres({ dir: join(dir, 'tenants'), fsync: false });
  started.push(() => tenants.destroy());
  const platform = await startPlatform(join(dir, 'platform'));
  started.push(() => platform.destroy());
  const temporal = await startTemporalServer({
    dir: join(dir, 'temporal'),
    cacheDir,
    namespace: 'leasehold',
    dynamicConfig: [
      'frontend.WorkflowTimeSkippingEnabled=true',
      'history.timerProcessorMaxTimeShift="10ms"',
      'frontend.WorkflowTimeSkippingMaxSkipPerSession=100000',
    ],
  });
  started.push(() => temporal.stop());
  await writeWorkflowBundle(dir);
  // Where it cannot be had, what needs it is skipped and says so.
  process.env.LEASEHOLD_TEST_NATS_BIN = await findNats({ cacheDir, binary: process.env.LEASEHOLD_NATS_SERVER_BIN }).then(
    ({ path }) => path,
    () => '',
  );
  process.env.LEASEHOLD_TEST_PGVECTOR = await installPgvector({ home: join(dir, 'tenants'), name: TENANTS, cacheDir }).then(
    ({ version }) => version,
    () => '',
  );
  process.env.LEASEHOLD_TEST_TENANTS_ADMIN_URL = tenants.adminUrl;
  process.env.LEASEHOLD_TEST_TEMPORAL_ADDRESS = temporal.address;
  globalThis.leaseholdTestServers = { stop };
}
