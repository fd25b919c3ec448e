// docs/configuration.md, .env.example and temporal-compose.yml against the catalogue, and that nobody else reads the environment.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { Environment, unknownVariables, variablesOf } from '../shared/config';
import { environmentNames, loadBackends } from '../shared/plans';
import { withTables } from './config-command';
import { packageRoot } from './paths';

const read = (path: string) => readFileSync(join(packageRoot(), path), 'utf8');

describe('the documents', () => {
  it('docs/configuration.md is what the catalogue says (npm run config -- --markdown --write)', () => {
    const document = read('docs/configuration.md');
    expect(document).toBe(withTables(document));
  });

  it('.env.example names no variable that there is not', () => {
    const names = [...read('.env.example').matchAll(/^# (LEASEHOLD_[A-Z_]+)=/gm)].map(([, name]) => [name, 'x']);
    expect(names.length).toBeGreaterThan(20);
    expect(unknownVariables(new Environment(Object.fromEntries(names)))).toEqual([]);
  });

  it('temporal-compose.yml gives our processes no variable that nobody reads, and asks for none that is not documented', () => {
    const text = read('temporal-compose.yml');
    const { services, configs } = parse(text, { merge: true }) as {
      services: Record<string, { build?: string; environment?: Record<string, string> }>;
      configs: Record<string, { content: string }>;
    };
    const backends = [...(configs.backends?.content ?? '').matchAll(/admin_url_env: (\w+)/g)].map(([, name]) => name ?? '');
    const ours = Object.values(services).filter(({ build }) => build !== undefined);
    expect(ours.length).toBeGreaterThan(3);
    for (const { environment } of ours) expect(unknownVariables(new Environment(environment ?? {}), backends)).toEqual([]);
    const asked = [...text.matchAll(/(?<!\$)\$\{(LEASEHOLD_[A-Z_]+)/g)].map(([, name]) => [name, 'x']);
    expect(unknownVariables(new Environment(Object.fromEntries(asked)))).toEqual([]);
  });

  it('backends.yaml names variables that the worker has', () => {
    const known = variablesOf('worker').concat(variablesOf('host'));
    for (const name of environmentNames(loadBackends(join(packageRoot(), 'backends.yaml')))) expect(known).toContain(name);
  });
});

describe('the environment', () => {
  it('is read by shared/config alone', () => {
    const folders = ['api', 'workflows', 'activities', 'shared', 'stack'];
    const files = folders
      .flatMap((folder) =>
        readdirSync(join(packageRoot(), folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
      )
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'));
    expect(files.length).toBeGreaterThan(200);
    // Both spellings, and a destructured one.
    const readers = files.filter((path) => /\bprocess\s*(\.|\[['"`])env\b|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/.test(read(path)));
    expect(readers).toEqual(['shared/config/environment.ts']);
  });
});
