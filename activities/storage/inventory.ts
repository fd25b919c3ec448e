// What of ours is on a store, and how large it is.
import { objectNameOfBucket, objectNameOfPrefix } from '../../shared/storageprovider';
import type { MeasuredObject } from '../backend';
import { forEachLimited } from '../limited';
import { listBuckets, listPrefixes, measure } from './objects';
import type { Store } from './stores';

/** Listings at once: enough to hide the round trips, few enough for tenants not to notice. */
const CONCURRENCY = 4;

const isName = (name: string | null): name is string => name !== null;

/** By bucket, by prefix and by credentials: a call that died half way may have left any of them. */
export async function listObjects(store: Store, prefix: string): Promise<string[]> {
  return await namesOn(store, prefix, await listBuckets(store.s3, {}));
}

async function namesOn(store: Store, prefix: string, buckets: string[]): Promise<string[]> {
  const prefixes = buckets.includes(store.sharedBucket) ? await listPrefixes(store.s3, store.sharedBucket, prefix, {}) : [];
  const names = [...buckets.map(objectNameOfBucket), ...prefixes.map(objectNameOfPrefix), ...(await store.provider.list(prefix))];
  return [...new Set(names.filter(isName).filter((name) => name.startsWith(prefix)))].sort();
}

/** From listings, so that what is measured is what is there now; parts of unfinished uploads are in it. */
export async function measureObjects(store: Store, prefix: string): Promise<MeasuredObject[]> {
  const buckets = await listBuckets(store.s3, {});
  const bytes = new Map((await namesOn(store, prefix, buckets)).map((name) => [name, 0]));
  const add = (name: string, more: number) => bytes.set(name, (bytes.get(name) ?? 0) + more);
  await forEachLimited(buckets, CONCURRENCY, async (bucket) => {
    const owner = objectNameOfBucket(bucket);
    if (!owner?.startsWith(prefix)) return;
    const sizes = await measure(store.s3, bucket, () => owner, {});
    add(owner, sizes.get(owner) ?? 0);
  });
  if (buckets.includes(store.sharedBucket)) {
    const ownerOf = (key: string) => objectNameOfPrefix(key.slice(0, key.indexOf('/') + 1));
    for (const [owner, size] of await measure(store.s3, store.sharedBucket, ownerOf, {})) if (owner.startsWith(prefix)) add(owner, size);
  }
  return [...bytes].map(([objectName, size]) => ({ objectName, bytes: size }));
}
