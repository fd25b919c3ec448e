// The contract of storage providers over AWS S3, Cloudflare R2 and DigitalOcean Spaces: each against a double of the vendor, never the vendor.
import { expect } from '@jest/globals';
import { STORAGE_MODES, type StorageMode } from '../../../shared/storageprovider';
import { type StoreUnderTest, startStorageHarness } from '../../contract/storage-harness';
import { describeStorageProvider } from '../../contract/storageprovider.contract';
import { startAwsDouble } from '../../harness/s3-vendors/aws';
import { startR2Double } from '../../harness/s3-vendors/r2';
import type { DoubleServer } from '../../harness/s3-vendors/server';
import { startSpacesDouble } from '../../harness/s3-vendors/spaces';

const BY_PLATFORM = {
  "they reach nothing of a neighbour's": "the platform alone signs, and only below the resource's prefix",
  'what was issued and not stored is ended and made anew': "nothing is issued: the platform's own key signs",
  'cut refuses at once, and what was signed before; restore gives it all back':
    'the api signs nothing more; a url that is out ends within 300 seconds',
  'read-only refuses writes alone, and survives a cut': 'the api signs no PUT any more; a url that is out ends within 300 seconds',
  'two versions work, until the old one is retired': "both versions are the platform's own key",
  'a version that is made while it is cut lets nobody in': 'the api signs for an active resource alone',
  'after delete keys and signed urls are dead, and nothing is left': 'the objects are gone; a url that is out ends within 300 seconds',
};
const BY_CLOCK = 'nothing ends a session of R2 before its time';
const ELSEWHERE = 'tried in the column aws';

function describeVendor<Double extends DoubleServer & { store: StoreUnderTest }>(parts: {
  name: string;
  start: () => Promise<Double>;
  storeOf?: (double: Double) => StoreUnderTest;
  modes: readonly StorageMode[];
  otherModes?: string;
  cannot?: Parameters<typeof describeStorageProvider>[0]['cannot'];
}): void {
  let starting: Promise<Double> | undefined;
  const double = () => {
    starting ??= parts.start();
    return starting;
  };
  describeStorageProvider({
    name: parts.name,
    modes: parts.modes,
    otherModes: parts.otherModes,
    cannot: parts.cannot,
    open: async (mode) => {
      const started = await double();
      return startStorageHarness(parts.storeOf?.(started) ?? started.store, mode);
    },
    close: async () => {
      const started = await double();
      await started.close();
      expect(started.faults).toEqual([]);
    },
  });
}

describeVendor({ name: 'aws', start: () => startAwsDouble(), modes: STORAGE_MODES });
// The region whose rules are the oldest, with pages so small that every listing has several.
describeVendor({ name: 'aws us-east-1', start: () => startAwsDouble('us-east-1', 1), modes: ['prefix-scoped'], otherModes: ELSEWHERE });
describeVendor({ name: 'aws cn-north-1', start: () => startAwsDouble('cn-north-1'), modes: ['shared-master-key'], otherModes: ELSEWHERE });
describeVendor({
  name: 'r2',
  start: startR2Double,
  modes: ['prefix-scoped-temporary', 'broker'],
  cannot: {
    broker: BY_PLATFORM,
    'prefix-scoped-temporary': {
      'cut refuses at once, and what was signed before; restore gives it all back': BY_CLOCK,
      'read-only refuses writes alone, and survives a cut': BY_CLOCK,
      'two versions work, until the old one is retired': BY_CLOCK,
      'a version that is made while it is cut lets nobody in': `${BY_CLOCK}, so the old one still does; the new one reaches nothing`,
      'after delete keys and signed urls are dead, and nothing is left': BY_CLOCK,
      'what was issued and not stored is ended and made anew': `a new one is made; the lost one is known to nobody, and ${BY_CLOCK}`,
    },
  },
});
describeVendor({
  name: 'spaces',
  start: startSpacesDouble,
  modes: ['dedicated-bucket', 'broker'],
  cannot: { broker: { "they reach nothing of a neighbour's": BY_PLATFORM["they reach nothing of a neighbour's"] } },
});
describeVendor({
  name: 'spaces without a token',
  start: startSpacesDouble,
  storeOf: ({ store: { apiToken: _, ...store } }) => store,
  modes: ['broker'],
  cannot: { broker: BY_PLATFORM },
});
