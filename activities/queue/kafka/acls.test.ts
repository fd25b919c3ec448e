import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { cutMarks, flatAcls, grantsOf, missingAcls, readOnlyMarks, tenantState } from './acls';
import { ownerOf, prefixOf } from './names';
import { type Acl, AclOperations, AclPermissionTypes, ResourcePatternTypes } from './protocol';

const NAME = `lhaaaaaaaa_${'b'.repeat(24)}`;
const base32 = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567');
const objectName = fc
  .tuple(fc.string({ unit: base32, minLength: 8, maxLength: 8 }), fc.string({ unit: base32, minLength: 24, maxLength: 24 }))
  .map(([installation, name]) => `lh${installation}_${name}`);
const versions = fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 3 });

describe('rights', () => {
  test('are to one prefix, operation by operation, and never to change what a topic keeps', () => {
    const grants = grantsOf(NAME, 3);
    const never: number[] = [AclOperations.ALL, AclOperations.ALTER, AclOperations.ALTER_CONFIGS, AclOperations.CLUSTER_ACTION];
    for (const acl of grants) {
      expect(acl).toMatchObject({
        resourceName: `${NAME}.`,
        resourcePatternType: ResourcePatternTypes.PREFIXED,
        principal: `User:${NAME}_3`,
      });
      expect(never).not.toContain(acl.operation);
    }
    expect(grants).toHaveLength(11);
  });

  test('hold the versions, whatever is marked', () => {
    fc.assert(
      fc.property(objectName, versions, fc.boolean(), fc.boolean(), (name, given, isCut, isReadOnly) => {
        const acls = [
          ...given.flatMap((version) => grantsOf(name, version)),
          ...(isCut ? cutMarks(name) : []),
          ...(isReadOnly ? readOnlyMarks(name) : []),
        ];
        expect(tenantState(name, acls)).toEqual({ versions: [...given].sort((a, b) => a - b) });
      }),
    );
  });

  test('that are a mark alone are a tenant without a version; none are no tenant', () => {
    expect(tenantState(NAME, cutMarks(NAME).slice(0, 1))).toEqual({ versions: [] });
    expect(tenantState(NAME, [])).toBeNull();
  });

  test('that miss are those that are not there, whatever their order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(grantsOf(NAME, 1)), (present: Acl[]) => {
        const missing = missingAcls(grantsOf(NAME, 1), present);
        expect(missing).toHaveLength(grantsOf(NAME, 1).length - present.length);
        expect(missingAcls(grantsOf(NAME, 1), [...present, ...missing])).toEqual([]);
      }),
    );
  });

  test('are read from the answer as they were written', () => {
    const [first] = cutMarks(NAME);
    if (first === undefined) throw new Error('no mark');
    const { resourceType, resourceName, resourcePatternType, ...acl } = first;
    expect(flatAcls([{ resourceType, resourceName, resourcePatternType, acls: [acl] }])).toEqual([first]);
    expect(first.permissionType).toBe(AclPermissionTypes.DENY);
  });
});

describe('names', () => {
  test('belong to one tenant, and no tenant’s prefix begins another’s', () => {
    fc.assert(
      fc.property(objectName, objectName, fc.string(), (one, other, rest) => {
        expect(ownerOf(`${prefixOf(one)}${rest}`)).toBe(one);
        expect(ownerOf(`${one}_7`)).toBe(one);
        if (one !== other) expect(prefixOf(one).startsWith(prefixOf(other))).toBe(false);
      }),
    );
  });

  test.each(['', 'orders', '__consumer_offsets', 'leasehold', `${NAME}x.orders`, `x${NAME}.orders`, `${NAME}_.orders`])(
    '%s is nobody’s',
    (name) => expect(ownerOf(name)).toBeNull(),
  );
});
