// Where values come from, what is refused and how it is said, and that secrets stay out of what is said.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how references are written.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CATALOGUE, GROUPS } from './catalogue';
import { ConfigError, Environment, formatTable, literally, readConfig, reportConfig, unknownVariables, variablesOf } from './index';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'leasehold-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const API = { LEASEHOLD_DATABASE_URL: 'postgres://app@db/x', LEASEHOLD_KEYRING: 'k1:a', LEASEHOLD_JWT_KEYS: 'j1:a' };

describe("a process's part", () => {
  it('is typed, frozen, and has nothing of others', () => {
    const config = readConfig('api', API);
    const port: number = config.PORT;
    expect(port).toBe(8080);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.keys(config)).not.toContain('LEASEHOLD_DATABASE_OWNER_URL');
    expect(Object.keys(config).sort()).toEqual(variablesOf('api').sort());
  });

  it('needs what it needs, and an empty variable is one that is not set', () => {
    expect(() => readConfig('api', { ...API, LEASEHOLD_KEYRING: '' })).toThrow(new ConfigError('LEASEHOLD_KEYRING: is not set'));
    expect(readConfig('stack', { LEASEHOLD_KEYRING: '' }).LEASEHOLD_KEYRING).toBeUndefined();
  });

  it('never says a value, whatever is wrong with it', () => {
    for (const name of Object.keys(CATALOGUE)) {
      const value = '%%wrong-value%%';
      const { problems } = reportConfig(new Environment({ [name]: value }));
      for (const problem of problems) {
        expect(problem).toMatch(new RegExp(`^${name}: .`));
        expect(problem).not.toContain(value);
      }
    }
  });
});

describe('the catalogue', () => {
  it('has a doc for each, each in one group, and defaults that pass their own check', () => {
    expect(GROUPS.flatMap(({ variables }) => Object.keys(variables)).sort()).toEqual(Object.keys(CATALOGUE).sort());
    expect(reportConfig(new Environment({})).problems).toEqual([]);
    for (const { name, doc } of reportConfig(new Environment({})).lines) expect(`${name}: ${doc}`).toMatch(/: .{4,}/);
  });

  it('marks as secret whatever sounds like one', () => {
    const open = Object.entries(CATALOGUE).filter(([, variable]) => !('secret' in variable));
    const secretLike = open.filter(([name]) => /(PASSWORD|SECRET|SEED|_KEYS?|KEYRING|DATABASE_URL|ADMIN_URL|REDIS_URL)$/.test(name));
    expect(secretLike.map(([name]) => name)).toEqual([]);
  });
});

describe('a secret from a file', () => {
  it('is the content without the line break at its end', () => {
    const path = file('keyring', 'k1:abc \n');
    const environment = new Environment({ LEASEHOLD_KEYRING_FILE: path });
    expect(environment.given('LEASEHOLD_KEYRING')).toEqual({ text: 'k1:abc ', source: 'file' });
    expect(readConfig('api', { ...API, LEASEHOLD_KEYRING: undefined, LEASEHOLD_KEYRING_FILE: path }).LEASEHOLD_KEYRING).toBe('k1:abc');
  });

  it('holds for what backends.yaml names, and for no open variable', () => {
    expect(new Environment({ MY_ADMIN_URL_FILE: file('a', 'redis://x\r\n') }).text('MY_ADMIN_URL')).toBe('redis://x');
    expect(new Environment({ PORT_FILE: file('b', '1') }).text('PORT')).toBeUndefined();
  });

  it.each([
    [
      'both are given',
      () => ({ LEASEHOLD_KEYRING: 'k1:a', LEASEHOLD_KEYRING_FILE: file('c', 'x') }),
      'LEASEHOLD_KEYRING: is set, and so is LEASEHOLD_KEYRING_FILE',
    ],
    [
      'it is not there',
      () => ({ LEASEHOLD_KEYRING_FILE: join(folder, 'none') }),
      /^LEASEHOLD_KEYRING_FILE: \S+none cannot be read \(ENOENT\)$/,
    ],
    ['it is empty', () => ({ LEASEHOLD_KEYRING_FILE: file('d', '\n') }), /^LEASEHOLD_KEYRING_FILE: \S+ is empty$/],
    ['it is a folder', () => ({ LEASEHOLD_KEYRING_FILE: folder }), 'cannot be read (it is no regular file)'],
    ['it is huge', () => ({ LEASEHOLD_KEYRING_FILE: file('e', 'x'.repeat(70_000)) }), 'is larger than 65536 bytes'],
  ])('is refused when %s', (_why, env, message) => {
    expect(() => new Environment(env()).text('LEASEHOLD_KEYRING')).toThrow(message);
  });

  it('is taken as it stands', () => {
    expect(new Environment({ LEASEHOLD_KEYRING_FILE: file('f', 'a${HOME}b'), HOME: '/x' }).text('LEASEHOLD_KEYRING')).toBe('a${HOME}b');
  });
});

describe('references', () => {
  const text = (env: NodeJS.ProcessEnv, name = 'LEASEHOLD_DATABASE_URL') => new Environment(env).text(name);

  it('are filled in, ours with their own references', () => {
    expect(text({ LEASEHOLD_DATABASE_URL: '${DATABASE_URL}', DATABASE_URL: 'postgres://a@b/c' })).toBe('postgres://a@b/c');
    const env = { LEASEHOLD_INBOX_URL: '${LEASEHOLD_DATABASE_URL}?a', LEASEHOLD_DATABASE_URL: '${URL}', URL: 'x' };
    expect(text(env, 'LEASEHOLD_INBOX_URL')).toBe('x?a');
    expect(text({ LEASEHOLD_DATABASE_URL: '$${A}' })).toBe('${A}');
  });

  it("take another's value as it stands: it may be a password", () => {
    expect(text({ LEASEHOLD_DATABASE_URL: '${A}', A: 'x${B}', B: 'y' })).toBe('x${B}');
  });

  it('name what is missing, and who refers to itself', () => {
    expect(() => text({ LEASEHOLD_DATABASE_URL: 'a${NOT_THERE}b' })).toThrow(
      new ConfigError('LEASEHOLD_DATABASE_URL: refers to NOT_THERE, which is not set'),
    );
    const env = { LEASEHOLD_DATABASE_URL: '${LEASEHOLD_INBOX_URL}', LEASEHOLD_INBOX_URL: '${LEASEHOLD_DATABASE_URL}' };
    expect(() => text(env)).toThrow('refers to itself, by LEASEHOLD_DATABASE_URL -> LEASEHOLD_INBOX_URL -> LEASEHOLD_DATABASE_URL');
  });

  it('do not grow without bound', () => {
    const env: NodeJS.ProcessEnv = { LEASEHOLD_0: 'x'.repeat(1_000) };
    for (let depth = 1; depth < 40; depth++) env[`LEASEHOLD_${depth}`] = `\${LEASEHOLD_${depth - 1}}`.repeat(10);
    expect(() => text(env, 'LEASEHOLD_39')).toThrow('is longer than 65536 characters');
  });

  it('leave alone what is meant literally, whatever it holds', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[$ {}A-Za-z_0-9]{1,30}$/), (given) => {
        expect(new Environment({ LEASEHOLD_X: literally(given) }).text('LEASEHOLD_X')).toBe(given);
      }),
    );
  });
});

describe('what is shown', () => {
  it('has no secret in it, given either way', () => {
    const env = { LEASEHOLD_KEYRING: 'k1:c2VjcmV0', LEASEHOLD_JWT_KEYS_FILE: file('jwt', 'j1:c2VjcmV0'), PORT: '9000' };
    const report = reportConfig(new Environment(env));
    expect(report.problems).toEqual([]);
    const said = formatTable(report) + JSON.stringify(report);
    expect(said).not.toContain('c2VjcmV0');
    const line = (name: string) => report.lines.find((each) => each.name === name);
    expect(line('LEASEHOLD_KEYRING')).toMatchObject({ value: 'set', source: 'environment' });
    expect(line('LEASEHOLD_JWT_KEYS')).toMatchObject({ value: 'set', source: 'file' });
    expect(line('PORT')).toMatchObject({ value: '9000', source: 'environment' });
    expect(line('LEASEHOLD_LOG')).toMatchObject({ value: 'info', source: 'default' });
    expect(line('LEASEHOLD_OPERATOR_KEY')).toMatchObject({ value: 'unset', source: 'unset' });
  });

  it('warns of a name that nobody reads, with the nearest one', () => {
    const environment = new Environment({
      LEASEHOLD_KEYRNG: 'a',
      LEASEHOLD_PORT_FILE: 'b',
      LEASEHOLD_KEYRING_FILE: 'c',
      LEASEHOLD_MY_URL: 'd',
      OTHER: 'e',
    });
    expect(unknownVariables(environment, ['LEASEHOLD_MY_URL'])).toEqual([
      'LEASEHOLD_KEYRNG is not known, nobody reads it: did you mean LEASEHOLD_KEYRING?',
      expect.stringMatching(/^LEASEHOLD_PORT_FILE is not known/),
    ]);
  });
});

describe('the template for platforms', () => {
  it('gives api, worker, migrations and namespace what they need, and lacks nothing that it names', () => {
    for (const name of ['keyring', 'jwt-keys', 'operator-key']) file(name, 'k1:0123456789abcdef\n');
    mkdirSync(join(folder, 'empty'));
    const injected = {
      PORT: '3000',
      APP_URL: 'https://leases.example.com/',
      DATABASE_URL: 'postgres://app:p$1@db/leasehold',
      DATABASE_OWNER_URL: 'postgres://owner@db/leasehold',
      REDIS_URL: 'rediss://:x@redis:6379',
      TEMPORAL_ADDRESS: 'temporal:7233',
      TENANTS_DATABASE_URL: 'postgres://admin@tenants/postgres',
      INSTALLATION_ID: 'abcdefgh',
      SECRETS_DIR: folder,
    };
    const template = parseEnv(readFileSync(join(__dirname, '../../docs/operate/platform.env'), 'utf8'));
    const env = { ...template, ...injected };
    expect(readConfig('api', env)).toMatchObject({
      PORT: 3000,
      LEASEHOLD_BASE_URL: 'https://leases.example.com',
      LEASEHOLD_DATABASE_URL: injected.DATABASE_URL,
      LEASEHOLD_REDIS_URL: injected.REDIS_URL,
      LEASEHOLD_KEYRING: 'k1:0123456789abcdef',
    });
    expect(readConfig('worker', env).LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL).toBe(injected.TENANTS_DATABASE_URL);
    expect(readConfig('migrate', env).LEASEHOLD_DATABASE_OWNER_URL).toBe(injected.DATABASE_OWNER_URL);
    expect(readConfig('namespace', env).LEASEHOLD_TEMPORAL_ADDRESS).toBe('temporal:7233');
    expect(unknownVariables(new Environment(env))).toEqual([]);
    expect(() => readConfig('api', template)).toThrow('LEASEHOLD_BASE_URL: refers to APP_URL, which is not set');
  });
});
