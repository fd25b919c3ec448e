import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { loginName, parseLoginName } from '../resourcetype';
import { objectNameOfBucket, objectNameOfPrefix, placeOf, STORAGE_MODES } from '.';
import { accessOfUserPolicy, marksOfSharedPolicy, type PolicyDocument, sessionPolicy, sharedBucketPolicy, userPolicy } from './policies';

const name = fc.stringMatching(/^[a-z2-7]{24}$/).map((random) => `lhabcdefgh_${random}`);
const mode = fc.constantFrom(...STORAGE_MODES);
const access = fc.record({ cut: fc.boolean(), readOnly: fc.boolean() });
const place = fc.tuple(name, mode).map(([objectName, chosen]) => placeOf(objectName, chosen, 'abcdefgh'));
const NOTHING = 'arn:aws:s3:::leasehold-nothing/-';

const resources = ({ Statement }: PolicyDocument) => Statement.flatMap(({ Resource }) => Resource).filter((arn) => arn !== NOTHING);
const actions = ({ Statement }: PolicyDocument) =>
  Statement.filter(({ Resource }) => !Resource.includes(NOTHING)).flatMap(({ Action }) => Action);

describe('names', () => {
  it('lead back to the object', () => {
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 999 }), ({ objectName, bucket, prefix }, version) => {
        expect(prefix === '' ? objectNameOfBucket(bucket) : objectNameOfPrefix(prefix)).toBe(objectName);
        expect(parseLoginName(loginName(objectName, version))).toEqual({ objectName, version });
        // What S3 takes as a bucket's name.
        expect(bucket).toMatch(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
      }),
    );
  });

  it.each(['lhabcdefgh-tenants', 'somebody-elses', `lhabcdefgh-${'a'.repeat(23)}`])('%s is no tenant’s bucket', (bucket) => {
    expect(objectNameOfBucket(bucket)).toBeNull();
  });
  it.each(['platform', 'shared', `lhabcdefgh_${'a'.repeat(24)}`, `lhabcdefgh_${'a'.repeat(24)}_0`])('%s is no tenant’s user', (user) => {
    expect(parseLoginName(user)).toBeNull();
  });
});

describe('policies', () => {
  it('the two facts are read back out of a user’s policy, encoded or not', () => {
    fc.assert(
      fc.property(place, access, (where, facts) => {
        const text = JSON.stringify(userPolicy(where, facts));
        expect(accessOfUserPolicy(text)).toEqual(facts);
        expect(accessOfUserPolicy(encodeURIComponent(text))).toEqual(facts);
      }),
    );
    expect(accessOfUserPolicy('{"Version":"2012-10-17","Statement":[]}')).toBeNull();
    expect(accessOfUserPolicy('{}')).toBeNull();
  });

  it('nothing is allowed outside of the place, and nothing at all in it while it is cut', () => {
    fc.assert(
      fc.property(place, access, (where, facts) => {
        const policy = userPolicy(where, facts);
        const within = `arn:aws:s3:::${where.bucket}`;
        for (const arn of resources(policy)) expect([within, `${within}/${where.prefix}*`, '*']).toContain(arn);
        for (const { Action, Resource } of policy.Statement) if (Resource.includes('*')) expect(Action).toEqual(['sts:GetFederationToken']);
        if (facts.cut) expect(actions(policy).filter((action) => action.startsWith('s3:'))).toEqual([]);
      }),
    );
  });

  it('no policy grants configuration, or everything', () => {
    fc.assert(
      fc.property(place, access, (where, facts) => {
        for (const action of [...actions(userPolicy(where, facts)), ...actions(sessionPolicy(where))])
          expect(action).not.toMatch(/\*|Policy|Acl|Cors|Versioning|Lifecycle|CreateBucket|DeleteBucket|^iam:/);
      }),
    );
  });

  it('read-only takes writing away and leaves removing', () => {
    fc.assert(
      fc.property(place, (where) => {
        const allowed = actions(userPolicy(where, { cut: false, readOnly: true }));
        expect(allowed.filter((action) => action.startsWith('s3:Put'))).toEqual([]);
        expect(allowed).toEqual(expect.arrayContaining(['s3:GetObject', 's3:DeleteObject', 's3:AbortMultipartUpload']));
      }),
    );
  });

  it('a session never gets more than its user, and cannot get another session', () => {
    fc.assert(
      fc.property(place, (where) => {
        const user = new Set(actions(userPolicy(where, { cut: false, readOnly: false })));
        for (const action of actions(sessionPolicy(where))) expect(user).toContain(action);
        expect(actions(sessionPolicy(where))).not.toContain('sts:GetFederationToken');
      }),
    );
  });

  it('the marks of the shared bucket are read back, and deny the shared key alone', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, access), { maxLength: 5 }), (entries) => {
        const marks = new Map(entries.filter(([, facts]) => facts.cut || facts.readOnly));
        const policy = sharedBucketPolicy(marks, 'lhabcdefgh-tenants', 'arn:shared');
        if (policy === null) return expect(marks.size).toBe(0);
        expect(marksOfSharedPolicy(JSON.stringify(policy))).toEqual(marks);
        for (const { Effect, Principal } of policy.Statement)
          expect({ Effect, Principal }).toEqual({ Effect: 'Deny', Principal: { AWS: ['arn:shared'] } });
      }),
    );
  });

  it('the marks are read where a store answers an array of one as the one', () => {
    const marks = new Map([[`lhabcdefgh_${'a'.repeat(24)}`, { cut: true, readOnly: true }]]);
    const { Statement = [] } = sharedBucketPolicy(marks, 'lhabcdefgh-tenants', 'arn:shared') ?? {};
    const single = Statement.map((statement) => ({ ...statement, Resource: statement.Resource[0] }));
    expect(marksOfSharedPolicy(JSON.stringify({ Statement: single }))).toEqual(marks);
    expect(marksOfSharedPolicy(JSON.stringify({ Statement: single[0] }))).toEqual(
      new Map([...marks].map(([key]) => [key, { cut: false, readOnly: true }])),
    );
  });

  it.each([
    ['cut and read-only', { cut: true, readOnly: true }, 95],
    ['cut', { cut: true, readOnly: false }, 160],
  ])('as many as the docs say may be %s within the 20 KB that S3 takes', (_what, facts, count) => {
    const marks = new Map(Array.from({ length: count }, (_, index) => [`lhabcdefgh_${String(index).padStart(24, 'a')}`, facts]));
    const principal = `arn:aws-us-gov:iam::123456789012:user/${'a'.repeat(64)}`;
    expect(JSON.stringify(sharedBucketPolicy(marks, 'lhabcdefgh-tenants', principal)).length).toBeLessThanOrEqual(20_480);
  });
});
