// Policy documents as data, and the two facts that are read back out of them.
import type { AccessState, StoragePlace } from './types';

export interface Statement {
  Sid: string;
  Effect: 'Allow' | 'Deny';
  Action: string[];
  Resource: string[];
  Principal?: { AWS: string[] };
  Condition?: Record<string, Record<string, string[]>>;
}

export interface PolicyDocument {
  Version: '2012-10-17';
  Statement: Statement[];
}

// Configuration of the bucket (policy, ACL, CORS, versioning, lifecycle, website) is in none of these: it is the platform's.
const READ = ['s3:GetObject', 's3:GetObjectTagging'];
const REMOVE = ['s3:DeleteObject', 's3:DeleteObjectTagging', 's3:AbortMultipartUpload'];
const WRITE = ['s3:PutObject', 's3:PutObjectTagging'];

/** What a store calls the rights that names differ for. */
export interface PolicyWords {
  listUploads: string;
  listParts: string;
  /** Of its resource names; `aws` where there is but one. */
  partition?: string;
}

/** As AWS has them (Service Authorization Reference, "Actions for Amazon S3"), and most stores after it. */
export const AWS_WORDS: PolicyWords = { listUploads: 's3:ListBucketMultipartUploads', listParts: 's3:ListMultipartUploadParts' };
const SEAWEEDFS_WORDS: PolicyWords = { listUploads: 's3:ListMultipartUploads', listParts: 's3:ListParts' };

const arn = (path: string, partition = 'aws') => `arn:${partition}:s3:::${path}`;

/** One word of the marker for each fact; the name of the statement is all that a store must keep. */
const MARKS = { active: '', readOnly: 'readonly', cut: 'cut' } as const;

function markOf({ cut, readOnly }: AccessState): string {
  return `leasehold${cut ? MARKS.cut : MARKS.active}${readOnly ? MARKS.readOnly : MARKS.active}`;
}

/** What a tenant may do with its own objects. Removing stays allowed when writing is not: that is how it gets below its limit. */
export function objectStatements({ bucket, prefix }: StoragePlace, readOnly: boolean, words: PolicyWords): Statement[] {
  const { partition } = words;
  const onlyPrefix = prefix === '' ? {} : { Condition: { StringLike: { 's3:prefix': [prefix, `${prefix}*`] } } };
  const bucketActions = prefix === '' ? ['s3:ListBucket', words.listUploads, 's3:GetBucketLocation'] : ['s3:ListBucket'];
  return [
    { Sid: 'bucket', Effect: 'Allow', Action: bucketActions, Resource: [arn(bucket, partition)], ...onlyPrefix },
    {
      Sid: 'objects',
      Effect: 'Allow',
      Action: [...READ, words.listParts, ...REMOVE, ...(readOnly ? [] : WRITE)],
      Resource: [arn(`${bucket}/${prefix}*`, partition)],
    },
  ];
}

/** Allows nothing that exists: its name tells the two facts. */
export function markStatement(access: AccessState, partition?: string): Statement {
  return { Sid: markOf(access), Effect: 'Allow', Action: ['s3:GetObject'], Resource: [arn('leasehold-nothing/-', partition)] };
}

/** A user's own policy. A store whose users' policies know no Deny is served too: what is cut is simply not allowed. */
export function userPolicy(place: StoragePlace, access: AccessState, words: PolicyWords = SEAWEEDFS_WORDS): PolicyDocument {
  // Its own key only asks for the session token and is removed then; the token itself cannot ask for another.
  const federate: Statement = { Sid: 'federate', Effect: 'Allow', Action: ['sts:GetFederationToken'], Resource: ['*'] };
  return {
    Version: '2012-10-17',
    Statement: [
      markStatement(access, words.partition),
      ...(access.cut ? [] : objectStatements(place, access.readOnly, words)),
      ...(place.mode === 'prefix-scoped-temporary' ? [federate] : []),
    ],
  };
}

/** The most that a session can ever do; what it may at a moment is what its user may as well. */
export function sessionPolicy(place: StoragePlace, words: PolicyWords = SEAWEEDFS_WORDS): PolicyDocument {
  return { Version: '2012-10-17', Statement: objectStatements(place, false, words) };
}

/** Null when it is none of ours. */
export function accessOfUserPolicy(text: string): AccessState | null {
  const sids = statementsOf(text).map((statement) => statement.Sid);
  for (const cut of [false, true])
    for (const readOnly of [false, true]) if (sids.includes(markOf({ cut, readOnly }))) return { cut, readOnly };
  return null;
}

/**
 * The shared key's limits by prefix, as a policy of the shared bucket. S3 takes 20 KB of it ("Bucket policies", Amazon S3 User Guide), so
 * each kind of denial is one statement, with every prefix that it is for.
 */
export function sharedBucketPolicy(marks: ReadonlyMap<string, AccessState>, bucket: string, principal: string): PolicyDocument | null {
  // The bucket is in the partition of the user whose key it is.
  const partition = principal.split(':')[1];
  const denied = { Effect: 'Deny' as const, Principal: { AWS: [principal] } };
  const prefixes = (fact: keyof AccessState) => [...marks].filter(([, access]) => access[fact]).map(([objectName]) => `${objectName}/*`);
  const objects = (fact: keyof AccessState) => prefixes(fact).map((prefix) => arn(`${bucket}/${prefix}`, partition));
  const cut = prefixes('cut');
  const statements: Statement[] = [];
  if (prefixes('readOnly').length > 0)
    statements.push({ ...denied, Sid: MARKS.readOnly, Action: ['s3:PutObject'], Resource: objects('readOnly') });
  if (cut.length > 0) {
    const listing = { StringLike: { 's3:prefix': cut } };
    statements.push({ ...denied, Sid: MARKS.cut, Action: ['s3:*'], Resource: objects('cut') });
    statements.push({ ...denied, Sid: 'unlisted', Action: ['s3:ListBucket'], Resource: [arn(bucket, partition)], Condition: listing });
  }
  return statements.length === 0 ? null : { Version: '2012-10-17', Statement: statements };
}

export function marksOfSharedPolicy(text: string): Map<string, AccessState> {
  const marks = new Map<string, AccessState>();
  for (const { Sid = '', Resource } of statementsOf(text)) {
    // Once there was one statement for each tenant, whose name followed the word.
    const [word] = Sid.split(' ');
    if (word !== MARKS.cut && word !== MARKS.readOnly) continue;
    for (const resource of Resource) {
      const objectName = /:::[^/]+\/([^/]+)\/\*$/.exec(resource)?.[1];
      if (objectName === undefined) continue;
      const known = marks.get(objectName) ?? { cut: false, readOnly: false };
      marks.set(objectName, word === MARKS.cut ? { ...known, cut: true } : { ...known, readOnly: true });
    }
  }
  return marks;
}

/** What is read back of one; a store may answer an array of one as the one. */
interface ReadStatement {
  Sid?: string;
  Resource: string[];
}

function statementsOf(text: string): ReadStatement[] {
  const policy: unknown = JSON.parse(text.startsWith('%') ? decodeURIComponent(text) : text);
  const { Statement = [] } = Object(policy) as { Statement?: unknown };
  return [Statement].flat().map((statement) => {
    const { Sid, Resource } = Object(statement) as { Sid?: unknown; Resource?: unknown };
    const resources = [Resource].flat().filter((resource) => typeof resource === 'string');
    return { ...(typeof Sid === 'string' ? { Sid } : {}), Resource: resources };
  });
}
