// What warm items are made from where the size is fixed when a process starts: only a resource of that very size may take one.
import type { ResourceLimits } from '../shared/resourcetype';
import { ProviderMisconfigured } from './errors';

const SIZED = /^(memoryMb|storageMb)=([1-9]\d{0,8})$/;

/** Null where nothing can be made ahead, since the size is not limited. */
export function sizedTemplate(limit: 'memoryMb' | 'storageMb', limits: ResourceLimits): string | null {
  const template = `${limit}=${limits[limit]}`;
  return SIZED.test(template) ? template : null;
}

/** The limits that an item of this template is made with. */
export function limitsOfTemplate(template: string): ResourceLimits {
  const [, limit, size] = SIZED.exec(template) ?? [];
  if (limit === undefined) throw new ProviderMisconfigured(`not a template of warm items: ${JSON.stringify(template)}`);
  return { [limit]: Number(size) };
}
