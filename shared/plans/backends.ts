// Reads backends.yaml: the machines that run processes for tenants, and the servers that resources may be placed on.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { PLAN_KINDS, type PlanKind } from './types';
import { parseYamlFile } from './yamlfile';

/** A machine that runs processes for tenants. */
export interface HostConfig {
  name: string;
  region: string;
  /** Where tenants reach its ports. */
  address: string;
  firstPort: number;
  lastPort: number;
  /** A drained host takes nothing new. */
  drained: boolean;
}

export type QueueEngineName = 'nats' | 'rabbitmq' | 'kafka';

export interface BackendConfig {
  name: string;
  kind: PlanKind;
  region: string;
  /** How many resources it may hold. */
  capacity: number;
  /** Its share of new resources next to other backends of its kind. */
  weight: number;
  /** A drained backend takes nothing new. */
  drained: boolean;
  /** The host that runs a process for each resource; null = a server that resources share, reached by `adminUrlEnv`. */
  host: string | null;
  /** Name of the environment variable that holds the admin url; the url itself is in no file. Null for what runs on a host. */
  adminUrlEnv: string | null;
  /** Without its variable it is not there at all, instead of being down. */
  optional: boolean;
  /** Where tenants reach it, if not where the admin url says. */
  publicUrl: string | null;
  /** queue only. */
  engine: QueueEngineName | null;
  isolation?: 'strict' | 'weak_allowed';
  /** What the kind's own page in docs/kinds names. */
  options: Readonly<Record<string, string | number | boolean>>;
}

export interface BackendsFile {
  hosts: HostConfig[];
  backends: BackendConfig[];
}

const nameSchema = (what: string) =>
  z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, { message: `a ${what} name is lower-case letters, digits and -` });

const hostSchema = z.strictObject({
  name: nameSchema('host'),
  region: z.string().min(1),
  address: z.string().min(1),
  ports: z
    .string()
    .regex(/^\d{4,5}-\d{4,5}$/, { message: 'must be a range such as 42000-42999' })
    .transform((text) => text.split('-').map(Number) as [number, number])
    .refine(([first, last]) => first >= 1024 && last >= first && last <= 65_535, { message: 'must rise, within 1024 to 65535' }),
  drained: z.boolean().default(false),
});

const backendSchema = z
  .strictObject({
    name: nameSchema('backend'),
    kind: z.enum(PLAN_KINDS),
    region: z.string().min(1),
    capacity: z.int().min(0),
    weight: z.number().min(0),
    drained: z.boolean().default(false),
    host: z.string().optional(),
    admin_url_env: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]*$/, { message: 'must be the name of an environment variable, not a url' })
      .optional(),
    optional: z.boolean().default(false),
    public_url: z.url().optional(),
    engine: z.enum(['nats', 'rabbitmq', 'kafka']).optional(),
    isolation: z.enum(['strict', 'weak_allowed']).optional(),
    options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  })
  .superRefine((backend, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if ((backend.host === undefined) === (backend.admin_url_env === undefined)) issue('host', 'give either host or admin_url_env');
    if (backend.options.auth_mode === 'legacy_open' && backend.isolation !== 'weak_allowed')
      issue(
        'isolation',
        'must be weak_allowed: with auth_mode legacy_open any client of this server reads and deletes every tenant’s streams',
      );
    if ((backend.kind === 'queue') !== (backend.engine !== undefined)) issue('engine', 'is for kind queue, and needed there');
    if (backend.optional && backend.admin_url_env === undefined) issue('optional', 'goes together with admin_url_env');
  });

const fileSchema = z
  .strictObject({ hosts: z.array(hostSchema).default([]), backends: z.array(backendSchema) })
  .superRefine(({ hosts, backends }, context) => {
    for (const [list, entries] of Object.entries({ hosts, backends })) {
      const names = new Set<string>();
      for (const [index, { name }] of entries.entries()) {
        if (names.has(name)) context.addIssue({ code: 'custom', path: [list, index, 'name'], message: 'is there twice' });
        names.add(name);
      }
    }
    for (const [index, { host }] of backends.entries()) {
      if (host === undefined || hosts.some(({ name }) => name === host)) continue;
      context.addIssue({ code: 'custom', path: ['backends', index, 'host'], message: `there is no host ${host}` });
    }
  });

/** The environment variables that the file names: admin urls, and options that end in `_env`. */
export function environmentNames({ backends }: BackendsFile): string[] {
  return backends.flatMap(({ adminUrlEnv, options }) => [
    ...(adminUrlEnv === null ? [] : [adminUrlEnv]),
    ...Object.entries(options).flatMap(([name, value]) => (name.endsWith('_env') && typeof value === 'string' ? [value] : [])),
  ]);
}

/** @param isSet whether an environment variable holds something */
export function isConfigured({ optional, adminUrlEnv }: BackendConfig, isSet: (variable: string) => boolean): boolean {
  return !optional || adminUrlEnv === null || isSet(adminUrlEnv);
}

/**
 * Reads hosts and backends.
 * @throws Error with the one line `backends.yaml:<line>: <key path>: <reason>`
 */
export function loadBackends(path: string): BackendsFile {
  const file = parseYamlFile(path, readFileSync(path, 'utf8'), fileSchema);
  return {
    hosts: file.hosts.map(({ ports: [firstPort, lastPort], ...host }) => ({ ...host, firstPort, lastPort })),
    backends: file.backends.map(({ admin_url_env, public_url, isolation, ...backend }) => ({
      ...backend,
      host: backend.host ?? null,
      engine: backend.engine ?? null,
      adminUrlEnv: admin_url_env ?? null,
      publicUrl: public_url ?? null,
      ...(isolation === undefined ? {} : { isolation }),
    })),
  };
}
