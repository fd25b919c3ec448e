import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { RESOURCE_KINDS } from '../shared/resourcetype';
import { packageRoot } from './paths';
import { TENANTS_HBA } from './postgres-servers';

interface Service {
  image?: string;
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  configs?: { source: string; target: string }[];
  networks?: string[] | Record<string, unknown>;
  volumes?: string[];
}

const text = readFileSync(join(packageRoot(), 'temporal-compose.yml'), 'utf8');
const compose = parse(text, { merge: true }) as {
  services: Record<string, Service>;
  configs: Record<string, { content: string }>;
  networks: Record<string, unknown>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);

describe('temporal-compose.yml', () => {
  it('has every part of the production shape', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      [
        'api',
        'migrate',
        'mongodb',
        'nats',
        'platform-db',
        'platform-redis',
        'receiver',
        'relay',
        'seaweedfs',
        'temporal',
        'temporal-db',
        'temporal-namespace',
        'temporal-schema',
        'temporal-ui',
        'tenants-db',
        'tenants-redis',
        'worker',
      ].sort(),
    );
  });

  it('refers only to services, configs, networks and volumes that exist', () => {
    for (const [, service] of services) {
      for (const name of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty([name]);
      for (const { source } of service.configs ?? []) expect(compose.configs).toHaveProperty([source]);
      const networks = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks ?? {});
      for (const name of networks) expect(compose.networks).toHaveProperty([name]);
      for (const volume of service.volumes ?? []) expect(compose.volumes).toHaveProperty([volume.split(':')[0] ?? '']);
    }
  });

  it('takes every secret from the environment and refuses to start without it', () => {
    for (const [, service] of services) {
      for (const [name, value] of Object.entries(service.environment ?? {})) {
        if (/PASSWORD|PWD|KEYRING|_KEYS?$/.test(name)) expect(value).toMatch(/^\$\{[A-Z_]+:\?.+\}$/);
        for (const [, password] of value.matchAll(/:\/\/\w+:([^@]+)@/g)) expect(password).toMatch(/^\$\{[A-Z_]+:\?/);
      }
    }
  });

  it('keeps the owner of the database away from api and worker', () => {
    for (const name of ['api', 'worker']) expect(JSON.stringify(compose.services[name]?.environment)).not.toMatch(/OWNER/);
  });

  it("lets in to the tenants' server the same roles as the embedded one", () => {
    const who = (lines: string[]) =>
      new Set(
        lines
          .filter((line) => line.startsWith('host '))
          .map((line) =>
            line
              .split(/\s+/)
              .filter((_, index) => index !== 3)
              .join(' '),
          ),
      );
    expect(who((compose.configs['tenants-hba']?.content ?? '').split('\n'))).toEqual(who(TENANTS_HBA));
  });

  it('escapes every shell variable, so that compose does not take it for one of its own', () => {
    for (const { content } of Object.values(compose.configs))
      expect(content.replaceAll('$$', '').replaceAll(/\$\{[A-Z_]+:\?[^}]+\}/g, '')).not.toContain('$');
  });

  it('has a server for every kind, named by a variable that api and worker are given', () => {
    const { backends } = parse(compose.configs.backends?.content ?? '') as { backends: { kind: string; admin_url_env: string }[] };
    expect(backends.map(({ kind }) => kind).sort()).toEqual([...RESOURCE_KINDS].sort());
    for (const { admin_url_env: variable } of backends) {
      for (const name of ['api', 'worker']) expect(compose.services[name]?.environment).toHaveProperty(variable);
    }
  });

  it('keeps every key and database of the platform from the receiver', () => {
    const environment = compose.services.receiver?.environment ?? {};
    expect(Object.keys(environment).filter((name) => /KEY|DATABASE|ADMIN/.test(name))).toEqual([]);
    expect(JSON.stringify(environment)).not.toContain('platform-db');
  });

  it('has valid Temporal settings with fairness on', () => {
    const settings = parse(compose.configs['temporal-dynamic-config']?.content ?? '');
    expect(settings['matching.enableFairness']).toEqual([{ value: true }]);
  });

  it('names every variable in .env.example', () => {
    const example = readFileSync(join(packageRoot(), '.env.example'), 'utf8');
    for (const [, name] of text.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)) expect(example).toContain(`${name}=`);
  });
});
