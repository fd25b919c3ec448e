// `npm run attack [-- <kind>]`: tries every attack on real servers of its own and prints a table; exit code 1 unless all are refused.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

if (process.argv.includes('--help')) {
  console.log(
    'usage: npm run attack [-- <kind> ...]   two tenants of each kind on real servers; what one tries against the other must be refused',
  );
  process.exit(0);
}
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'leasehold-attack-'));
// As root the servers run as users of their own, which must reach their data below.
chmodSync(folder, 0o711);
const report = join(folder, 'report.json');
const env = {
  ...process.env,
  TMPDIR: folder,
  LEASEHOLD_ATTACK_REPORT: report,
  LEASEHOLD_ATTACK_KINDS: process.argv.slice(2).join(','),
  LEASEHOLD_CACHE: process.env.LEASEHOLD_CACHE ?? join(root, '.leasehold', 'cache'),
};
const jest = [join(root, 'node_modules/jest/bin/jest.js'), '--selectProjects', 'attack', '--runInBand', '--silent', '--forceExit'];
const child = spawn(process.execPath, jest, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] });
let said = '';
child.stderr.on('data', (chunk) => {
  said = (said + chunk).slice(-20_000);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));

child.once('close', (code) => {
  const rows = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : [];
  rmSync(folder, { recursive: true, force: true });
  if (rows.length === 0) {
    process.stderr.write(said);
    process.exit(1);
  }
  const line = (kind, tried, refused) => console.log(`${kind.padEnd(22)}${String(tried).padStart(8)}${String(refused).padStart(9)}`);
  line('kind', 'tried', 'refused');
  for (const { kind, tried, refused, skipped } of rows) {
    if (skipped === undefined) line(kind, tried, refused);
    else console.log(`${kind.padEnd(22)}skipped: no server (${skipped})`);
  }
  const sum = (field) => rows.reduce((total, row) => total + row[field], 0);
  line('all', sum('tried'), sum('refused'));
  const breaches = rows.flatMap(({ kind, breaches: found }) => found.map((breach) => `${kind}: ${breach}`));
  for (const breach of breaches) console.log(`NOT REFUSED  ${breach}`);
  const clean = breaches.length === 0 && sum('tried') > 0 && sum('tried') === sum('refused');
  console.log(clean ? 'pass: all refused' : 'fail');
  process.exit(clean && code === 0 ? 0 : 1);
});
