// What each kind's assembly is given, and what it gives back.

import type { KindBackend, KindDependencies } from '../../../activities/backend';
import type { ProcessHost } from '../../../activities/host/types';
import type { BackendConfig, HostConfig } from '../../../shared/plans';

export interface KindParts {
  dependencies: KindDependencies;
  /** Those of this kind that this process looks after. */
  backends: readonly BackendConfig[];
  /** The machine that this process runs processes on; null in the worker, which only reaches servers. */
  host: { config: HostConfig; processes: ProcessHost } | null;
  /** The environment: urls and keys that backends.yaml names, paths of servers' programs. Undefined when unset or empty. */
  secretOf: (variable: string) => string | undefined;
}

export type CreateKind<Kind extends KindBackend = KindBackend> = (parts: KindParts) => Kind;

/** @throws Error with the remedy */
export function adminUrlOf({ backends, secretOf }: Pick<KindParts, 'backends' | 'secretOf'>, backendName: string): string {
  const backend = backends.find((candidate) => candidate.name === backendName);
  if (backend === undefined) throw new Error(`backend ${backendName} is not in backends.yaml`);
  const url = backend.adminUrlEnv === null ? undefined : secretOf(backend.adminUrlEnv);
  if (url === undefined) throw new Error(`set ${backend.adminUrlEnv} to the admin url of ${backendName}`);
  return url;
}
