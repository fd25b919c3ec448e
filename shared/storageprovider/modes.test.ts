import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseMode, isIsolated, missingFor, STORAGE_MODES, type StorageCapabilities } from '.';

const NOTHING: StorageCapabilities = {
  bucketPerTenant: false,
  bucketScopedKeys: false,
  prefixScopedKeys: false,
  temporaryCredentials: false,
  sharedKey: false,
};
const EVERYTHING: StorageCapabilities = {
  bucketPerTenant: true,
  bucketScopedKeys: true,
  prefixScopedKeys: true,
  temporaryCredentials: true,
  sharedKey: true,
};

const capabilities = fc.record({
  bucketPerTenant: fc.boolean(),
  bucketScopedKeys: fc.boolean(),
  prefixScopedKeys: fc.boolean(),
  temporaryCredentials: fc.boolean(),
  sharedKey: fc.boolean(),
});
const wish = fc.record({ mode: fc.constantFrom(...STORAGE_MODES), weakIsolationAllowed: fc.boolean() }, { requiredKeys: [] });
const rank = (choice: ReturnType<typeof chooseMode>) => ('mode' in choice ? STORAGE_MODES.indexOf(choice.mode) : Number.POSITIVE_INFINITY);

describe('chooseMode', () => {
  it.each([
    [{}, 'broker'],
    [{ sharedKey: true }, 'broker'],
    [{ temporaryCredentials: true }, 'prefix-scoped-temporary'],
    [{ temporaryCredentials: true, prefixScopedKeys: true }, 'prefix-scoped'],
    [{ bucketPerTenant: true, prefixScopedKeys: true }, 'prefix-scoped'],
    [{ bucketPerTenant: true, bucketScopedKeys: true, prefixScopedKeys: true }, 'dedicated-bucket'],
  ])('%j -> %s', (own, mode) => expect(chooseMode({ ...NOTHING, ...own })).toEqual({ mode }));

  it('takes what is wished for where the store can', () => {
    for (const mode of STORAGE_MODES) expect(chooseMode(EVERYTHING, { mode, weakIsolationAllowed: true })).toEqual({ mode });
  });

  it('says what is missing', () => {
    expect(chooseMode(NOTHING, { mode: 'dedicated-bucket' })).toEqual({
      refused: 'mode dedicated-bucket needs bucketPerTenant and bucketScopedKeys, which this store does not have',
    });
    expect(chooseMode(EVERYTHING, { mode: 'shared-master-key' })).toMatchObject({ refused: expect.stringContaining('weak_allowed') });
  });
});

describe('properties', () => {
  it('what is chosen is what the store can', () => {
    fc.assert(
      fc.property(capabilities, wish, (own, wished) => {
        const choice = chooseMode(own, wished);
        if ('mode' in choice) expect(missingFor(choice.mode, own)).toEqual([]);
      }),
    );
  });

  it('tenants are never let at each other unless it was both wished for and allowed', () => {
    fc.assert(
      fc.property(capabilities, wish, (own, wished) => {
        const choice = chooseMode(own, wished);
        if ('mode' in choice && !isIsolated(choice.mode)) expect(wished).toEqual({ mode: choice.mode, weakIsolationAllowed: true });
      }),
    );
  });

  it('a wish is fulfilled or refused, never replaced; without one there always is a mode', () => {
    fc.assert(
      fc.property(capabilities, wish, (own, wished) => {
        const choice = chooseMode(own, wished);
        if (wished.mode === undefined) expect(choice).toHaveProperty('mode');
        else expect([wished.mode, undefined]).toContain('mode' in choice ? choice.mode : undefined);
      }),
    );
  });

  it('a store that can do more never gets a weaker mode', () => {
    fc.assert(
      fc.property(capabilities, capabilities, wish, (own, more, wished) => {
        const both = Object.fromEntries(Object.entries(own).map(([key, value]) => [key, value || more[key as keyof StorageCapabilities]]));
        expect(rank(chooseMode({ ...NOTHING, ...both }, wished))).toBeLessThanOrEqual(rank(chooseMode(own, wished)));
      }),
    );
  });
});
