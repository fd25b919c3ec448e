// Adds to package-lock.json the optional packages of other platforms that it lacks. npm leaves them out when the registry in use
// does not serve them, and `npm ci` then refuses its own lockfile. Run after every change of dependencies.
import { readFileSync, writeFileSync } from 'node:fs';

if (process.argv.includes('--help')) {
  console.log('usage: node scripts/complete-lockfile.mjs   completes package-lock.json in this folder');
  process.exit(0);
}
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64', 'wasm32'];

const file = 'package-lock.json';
const lock = JSON.parse(readFileSync(file, 'utf8'));
let added = 0;
for (const [path, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const hoisted = `node_modules/${name}`;
    if (lock.packages[nested] !== undefined || lock.packages[hoisted] !== undefined) continue;
    const words = name.split('/').at(-1).split(/[-_.]/);
    const os = SYSTEMS.find((system) => words.includes(system) || (system === 'openharmony' && words.includes('ohos')));
    const cpu = PROCESSORS.find((processor) =>
      words.some(
        (word) =>
          word === processor ||
          (processor === 'arm' && /^arm(v\d)?/.test(word) && word !== 'arm64') ||
          (processor === 'ppc64' && word === 'ppc64le'),
      ),
    );
    lock.packages[hoisted] = {
      version: range.replace(/^[\^~]/, ''),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...(os ? { os: [os] } : {}),
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(words.includes('musl') ? { libc: ['musl'] } : {}),
    };
    added += 1;
  }
}
for (const entry of Object.values(lock.packages)) delete entry.resolved;
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} packages of other platforms added`);
