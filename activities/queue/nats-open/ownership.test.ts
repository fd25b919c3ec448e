import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { objectOfStream, subjectPrefix } from './ownership';

const character = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567');
const text = (length: number) => fc.string({ unit: character, minLength: length, maxLength: length });
const objectName = fc.tuple(text(8), text(24)).map(([installation, rest]) => `lh${installation}_${rest}`);
const token = fc.string({ unit: character, minLength: 1, maxLength: 5 });

describe('whose a stream is', () => {
  it('is theirs whose prefix all of its subjects have, whatever it is called', () => {
    fc.assert(
      fc.property(objectName, fc.array(token, { minLength: 1, maxLength: 4 }), token, (object, rest, name) => {
        expect(objectOfStream({ name, subjects: rest.map((each) => `${subjectPrefix(object)}${each}`) })).toBe(object);
      }),
    );
  });

  it('is nobody’s when two tenants have a part in it, or a subject is anybody’s', () => {
    fc.assert(
      fc.property(objectName, objectName, token, (a, b, other) => {
        const mixed = [`${a}.x`, a === b ? other : `${b}.x`];
        expect(objectOfStream({ name: `${a}_x`, subjects: mixed })).toBeNull();
      }),
    );
    for (const subject of ['>', '*.x', 'orders.>']) expect(objectOfStream({ name: 'any', subjects: [subject] })).toBeNull();
  });

  it('goes by its name without subjects, and never by a part of one', () => {
    const object = `lhaaaaaaaa_${'b'.repeat(24)}`;
    expect(objectOfStream({ name: `${object}_copy` })).toBe(object);
    expect(objectOfStream({ name: object })).toBe(object);
    expect(objectOfStream({ name: `${object}b` })).toBeNull();
    expect(objectOfStream({ name: `x${object}_copy` })).toBeNull();
  });

  it('goes by the bucket where the client makes the subjects: key-value buckets, object stores and mirrors of them', () => {
    const [object, other] = [`lhaaaaaaaa_${'b'.repeat(24)}`, `lhaaaaaaaa_${'c'.repeat(24)}`];
    expect(objectOfStream({ name: `KV_${object}_config`, subjects: [`$KV.${object}_config.>`] })).toBe(object);
    expect(objectOfStream({ name: `OBJ_${object}`, subjects: [`$O.${object}.C.>`, `$O.${object}.M.>`] })).toBe(object);
    expect(objectOfStream({ name: `KV_${object}_mirror` })).toBe(object);
    expect(objectOfStream({ name: `KV_${object}_config`, subjects: [`$KV.${other}_config.>`] })).toBe(other);
    for (const subjects of [['$KV.config.>'], ['$KV.>'], ['$KV.*.>'], [`$KV.${object}b.>`], [`$KV.${object}.>`, `$KV.${other}.>`]])
      expect(objectOfStream({ name: `KV_${object}_config`, subjects })).toBeNull();
  });
});
