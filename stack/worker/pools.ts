// Which warm items are made, and which resource may take one.
import { POSTGRES_WARM_TEMPLATE } from '../../activities/postgres';
import { sizedTemplate } from '../../activities/templates';
import { vectorWarmTemplate } from '../../activities/vector';
import type { BackendConfig, Plans } from '../../shared/plans';
import type { ResourceSpec } from '../../shared/resourcetype';

/** What an item for this resource is made from; null = none fits. */
export function poolTemplateOf({ kind, limits, options = {} }: Pick<ResourceSpec, 'kind' | 'limits' | 'options'>): string | null {
  switch (kind) {
    case 'postgres':
      return POSTGRES_WARM_TEMPLATE;
    case 'vector':
      return vectorWarmTemplate(options);
    case 'redis':
      return sizedTemplate('memoryMb', limits);
    case 'mongodb':
      return sizedTemplate('storageMb', limits);
    case 'queue':
    case 'storage':
    case 'webhook':
      return null;
  }
}

/** Null where nothing is made ahead. Items whose size is fixed when they are made are of the anonymous plan's. */
export function poolOf({ kind, host }: Pick<BackendConfig, 'kind' | 'host'>, plans: Plans): { template: string; target: number } | null {
  const target = plans.pool[kind]?.size ?? 0;
  const needsHost = kind === 'redis' || kind === 'mongodb';
  const { redisMemoryMb, mongodbStorageMb } = plans.byTier('anonymous');
  const limits = { memoryMb: redisMemoryMb, storageMb: mongodbStorageMb };
  const template = poolTemplateOf({ kind, limits });
  return template === null || (needsHost && host === null) ? null : { template, target };
}
