// Runs the three jest projects one after the other, names what failed, sums their results in one line, and fails when anything the run
// started is left.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { contractTable } from './contract-table.mjs';
import leftoversOf from './leftovers.cjs';

const PROJECTS = [
  // One worker a core: these compute. The others wait most of their time for servers, and for clocks.
  { name: 'unit', args: ['--maxWorkers=100%'] },
  { name: 'integration', args: ['--maxWorkers=3', '--testSequencer=./test/harness/longest-first.cjs'] },
  { name: 'system', args: ['--maxWorkers=3', '--testSequencer=./test/harness/longest-first.cjs'] },
];

/** A job of its own: the servers of other providers, each started by the file that needs it. */
const PROVIDERS = [{ name: 'providers', args: ['--maxWorkers=2'] }];
/** Fetched or built before; the tests of one that cannot be had say so. */
const OPTIONAL_PROGRAMS = ['rabbitmq', 'kafka', 'minio'];

const HANG_MS = 30_000;

if (process.argv.includes('--help')) {
  console.log('usage: npm test [-- <jest arguments>]   runs unit, integration and system tests; arguments go to each jest run');
  console.log('       npm run test:providers [-- <jest arguments>]   runs the tests of RabbitMQ, Kafka, MinIO and their like');
  process.exit(0);
}
const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Every server of the tests keeps its data below this folder, so that what is left of them can be told from everything else.
const folder = mkdtempSync(join(tmpdir(), 'leasehold-run-'));
// As root Postgres runs as a user of its own, which must reach its data below.
chmodSync(folder, 0o711);
const isProviders = process.argv.includes('--providers');
const projects = isProviders ? PROVIDERS : PROJECTS;
const tables = join(folder, 'tables');
const extra = process.argv.slice(2).filter((word) => word !== '--providers');

/** Before the tests, whose time limits are for servers that are here. */
const cache = process.env.LEASEHOLD_CACHE ?? join(root, '.leasehold', 'cache');
const fetchPrograms = (names) =>
  spawnSync(process.execPath, [join(root, 'dist/stack/processes/stack.js'), 'fetch', ...names], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, LEASEHOLD_CACHE: cache },
  }).status;
if (fetchPrograms([]) !== 0) process.exit(1);
if (isProviders) fetchPrograms(OPTIONAL_PROGRAMS);

let child;
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    stopped = true;
    child?.kill(signal);
  });

const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
let broken = false;
for (const { name, args } of projects) {
  if (stopped) break;
  console.log(`--- ${name}`);
  const outputFile = join(folder, `${name}.json`);
  const code = await runJest(
    ['--selectProjects', name, ...args, '--passWithNoTests', '--json', `--outputFile=${outputFile}`, ...extra],
    outputFile,
  );
  if (!existsSync(outputFile)) {
    failures.push(`${name}: jest ended with code ${code} and wrote no result`);
    broken = true;
    continue;
  }
  const result = JSON.parse(readFileSync(outputFile, 'utf8'));
  total.passed += result.numPassedTests;
  total.failed += result.numFailedTests;
  total.skipped += result.numPendingTests + result.numTodoTests;
  // A file that does not even load has no tests to count.
  if (code !== 0 || result.numRuntimeErrorTestSuites > 0) broken = true;
  for (const file of result.testResults) failures.push(...failuresOf(name, file));
}

const table = contractTable(tables);
if (isProviders) console.log(table.text);
// Arguments choose some of the tests, whose table has holes.
if (isProviders && extra.length === 0) {
  failures.push(...table.problems);
  broken ||= table.problems.length > 0;
}
const left = await leftovers();
for (const { pid, command } of left) {
  if (!stopped) failures.push(`left running, ended now: ${pid} ${command}`);
  end(pid);
}
rmSync(folder, { recursive: true, force: true });
if (stopped) failures.push('stopped by a signal');
if (failures.length > 0) console.log(`--- what failed\n${failures.join('\n')}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(broken || stopped || total.failed > 0 || left.length > 0 ? 1 : 0);

/** One line for each test of the file that failed, with the first line of its error; or one for a file that did not load. */
function failuresOf(project, { name, status, message, assertionResults }) {
  const file = relative(root, name);
  const firstLine = (text = '') =>
    stripVTControlCharacters(text)
      .split('\n')
      .map((line) => line.trim())
      .find((line) => line !== '' && !line.startsWith('●')) ?? '';
  const failed = assertionResults.filter((one) => one.status === 'failed');
  if (failed.length === 0) return status === 'failed' ? [`${project} ${file}: ${firstLine(message)}`] : [];
  return failed.map((one) => `${project} ${file} › ${one.fullName}: ${firstLine(one.failureMessages[0])}`.slice(0, 400));
}

/** Jest waits for open handles without end, and a test that failed in its set-up leaves some: after the result it gets a while, then it is ended. */
function runJest(args, outputFile) {
  return new Promise((resolve) => {
    // TMPDIR: whatever makes a temporary folder makes it below ours. The result goes to the file, not to standard output.
    // The build is the one of these sources: what it bundled need not be bundled again.
    const ours = { TMPDIR: folder, LEASEHOLD_CACHE: cache, LEASEHOLD_TEST_TABLE: tables, LEASEHOLD_TEST_BUILD: join(root, 'dist') };
    const env = { ...process.env, ...ours };
    child = spawn(process.execPath, [join(root, 'node_modules/jest/bin/jest.js'), ...args], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    });
    let endBy = 0;
    const watch = setInterval(() => {
      if (endBy === 0 && existsSync(outputFile)) endBy = Date.now() + HANG_MS;
      if (endBy > 0 && Date.now() > endBy) {
        console.error(`jest did not end within ${HANG_MS / 1000} s of its result: something was left open`);
        child.kill('SIGKILL');
        endBy = Number.POSITIVE_INFINITY;
      }
    }, 500);
    child.once('close', (code) => {
      clearInterval(watch);
      resolve(code ?? 1);
    });
  });
}

/** They get a moment to end by themselves, but for a run that was stopped. */
async function leftovers() {
  for (let attempt = 0; ; attempt += 1) {
    const found = leftoversOf.processesOf(folder);
    if (found.length === 0 || stopped || attempt === 50) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone by itself since we looked.
  }
}
