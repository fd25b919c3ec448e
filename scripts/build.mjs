// Compiles TypeScript to dist/, bundles the workflows, and stamps commit and build time (shown on /healthz).
// Skips what has not changed, so `npm start` pays for it only after an edit.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

if (process.argv.includes('--help')) {
  console.log('usage: npm run build [-- --force]   compile to dist/, bundle workflows, stamp the build');
  process.exit(0);
}
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const sources = ['api', 'workflows', 'activities', 'shared', 'stack', 'bench'];

function* files(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}
const hash = createHash('sha256');
for (const file of ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs'])
  hash.update(readFileSync(join(root, file)));
for (const source of sources) {
  if (!existsSync(join(root, source))) continue;
  for (const file of [...files(join(root, source))].sort()) hash.update(file.slice(root.length)).update(readFileSync(file));
}
const digest = hash.digest('hex');
const stampFile = join(dist, '.build-digest');
const fresh = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === digest;
if (fresh && !process.argv.includes('--force')) process.exit(0);

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
for (const source of sources) {
  if (!existsSync(join(root, source))) continue;
  for (const file of files(join(root, source))) {
    if (/\.(ts|tsx|md)$/.test(file) || !statSync(file).isFile()) continue;
    const target = join(dist, file.slice(root.length + 1));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target);
  }
}

const git = (args) => {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
};
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
writeFileSync(
  join(dist, 'build-info.json'),
  JSON.stringify({
    commitId: process.env.LEASEHOLD_COMMIT || git(['rev-parse', 'HEAD']) || 'unknown',
    buildTime: new Date().toISOString(),
    version: manifest.version,
  }),
);

const require = createRequire(import.meta.url);
const { bundleWorkflowCode } = require('@temporalio/worker');
const quiet = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error };
// The second one is for workers whose payload codec is on: it hides what failures say, too.
for (const [file, failureConverterPath] of [
  ['workflow-bundle.js', undefined],
  ['workflow-bundle-encrypted.js', join(dist, 'shared/codec/failure-converter.js')],
]) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(dist, 'workflows/index.js'),
    workflowInterceptorModules: [join(dist, 'workflows/context/index.js')],
    failureConverterPath,
    logger: quiet,
  });
  writeFileSync(join(dist, file), code);
}
writeFileSync(stampFile, digest);
