import { loadBackends } from '../../shared/plans';
import type { ResourceKind } from '../../shared/resourcetype';
import type { BenchStack } from '../stack';
import { rawPostgres } from './postgres';
import { rawFerretdb, rawRedis } from './process';
import { rawNats } from './queue';
import { rawStore } from './storage';
import type { RawKind } from './types';
import { rawInbox } from './webhook';

export type { RawKind } from './types';

export async function rawKind(stack: BenchStack, kind: ResourceKind): Promise<RawKind> {
  const context = { stack, adminUrl: adminUrlOf(stack, kind) };
  const program = (variable: string) => stack.adminUrl(variable) ?? '';
  switch (kind) {
    case 'postgres':
    case 'vector':
      return rawPostgres(context, kind);
    case 'redis':
      return rawRedis(stack, program('LEASEHOLD_REDIS_SERVER'));
    case 'mongodb':
      return rawFerretdb(stack, program('LEASEHOLD_FERRETDB_BIN'));
    case 'queue':
      return rawNats(context);
    case 'storage':
      return rawStore(context);
    case 'webhook':
      return rawInbox(stack, context);
  }
}

function adminUrlOf(stack: BenchStack, kind: ResourceKind): string {
  const backend = loadBackends(stack.backendsFile).backends.find((candidate) => candidate.kind === kind);
  return stack.adminUrl(backend?.adminUrlEnv ?? '') ?? '';
}
