// Reads backends.yaml: which servers resources may be placed on.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { parseYamlFile } from './yamlfile';

export interface BackendConfig {
  name: string;
  kind: 'postgres';
  region: string;
  /** How many resources it may hold. */
  capacity: number;
  /** Its share of new resources next to other backends of its kind. */
  weight: number;
  /** A drained backend takes nothing new. */
  drained: boolean;
  /** Name of the environment variable that holds the admin url; the url itself is in no file. */
  adminUrlEnv: string;
  isolation?: 'strict' | 'weak_allowed';
}

const backendSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, { message: 'a backend name is lower-case letters, digits and -' }),
  kind: z.enum(['postgres']),
  region: z.string().min(1),
  capacity: z.int().min(0),
  weight: z.number().min(0),
  drained: z.boolean().default(false),
  admin_url_env: z.string().regex(/^[A-Z][A-Z0-9_]*$/, { message: 'must be the name of an environment variable, not a url' }),
  isolation: z.enum(['strict', 'weak_allowed']).optional(),
});

const fileSchema = z.strictObject({
  backends: z.array(backendSchema).superRefine((backends, context) => {
    const names = new Set<string>();
    for (const [index, backend] of backends.entries()) {
      if (names.has(backend.name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: 'is there twice' });
      names.add(backend.name);
    }
  }),
});

/**
 * Reads the backends.
 * @throws Error with the one line `backends.yaml:<line>: <key path>: <reason>`
 */
export function loadBackends(path: string): BackendConfig[] {
  return parseYamlFile(path, readFileSync(path, 'utf8'), fileSchema).backends.map((backend) => ({
    name: backend.name,
    kind: backend.kind,
    region: backend.region,
    capacity: backend.capacity,
    weight: backend.weight,
    drained: backend.drained,
    adminUrlEnv: backend.admin_url_env,
    ...(backend.isolation ? { isolation: backend.isolation } : {}),
  }));
}
