// What FerretDB can and cannot, in the words of the field's driver. Whatever is lacking must stand in the page of the kind, with its answer.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Collection, Db, Document, IndexDirection, MongoClient } from 'mongodb';
import { ferretdbIsThere, type MongodbHarness, startMongodbHarness } from './mongodb-harness';

const PAGE = readFileSync(join(__dirname, '../../docs/kinds/mongodb.md'), 'utf8');

interface Tried {
  /** As the page names it. */
  what: string;
  run(words: Collection, db: Db): Promise<unknown>;
}

const NOT_IMPLEMENTED = 238;
const BAD_VALUE = 2;
const NO_COMMAND = 59;
const NO_INDEX = 27;

const stage = (what: string, body: unknown = {}): Tried => ({
  what,
  run: (words) => words.aggregate([{ [what]: body } as Document]).toArray(),
});
const finds = (what: string, filter: Document): Tried => ({ what, run: (words) => words.find(filter).toArray() });
const updates = (what: string, update: Document): Tried => ({ what, run: (words) => words.updateOne({ a: 1 }, { [what]: update }) });
const index = (what: string, key: Record<string, IndexDirection>, options = {}): Tried => ({
  what,
  run: (words) => words.createIndex(key, options),
});
const collection = (what: string, options: object): Tried => ({ what, run: (_words, db) => db.createCollection(`made_${what}`, options) });
const command = (what: string, more: Document = {}): Tried => ({ what, run: (_words, db) => db.command({ [what]: 'x', ...more }) });

const LACKING: Record<number, Tried[]> = {
  [NOT_IMPLEMENTED]: [
    stage('$lookup', { from: 'd', localField: 'a', foreignField: 'a', as: 'x' }),
    stage('$graphLookup', { from: 'd', startWith: '$a', connectFromField: 'a', connectToField: 'a', as: 'x' }),
    stage('$out', 'other'),
    stage('$merge', 'other'),
    stage('$facet', { a: [{ $count: 'n' }] }),
    stage('$bucket', { groupBy: '$a', boundaries: [0, 5] }),
    stage('$unionWith', 'd'),
    stage('$setWindowFields', { sortBy: { a: 1 }, output: { s: { $sum: '$a' } } }),
    stage('$replaceRoot', { newRoot: { b: '$a' } }),
    stage('$sample', { size: 1 }),
    stage('$sortByCount', '$a'),
    { what: '$avg', run: (words) => words.aggregate([{ $group: { _id: null, m: { $avg: '$a' } } }]).toArray() },
    { what: '$max', run: (words) => words.aggregate([{ $group: { _id: null, m: { $max: '$a' } } }]).toArray() },
    { what: '$push', run: (words) => words.aggregate([{ $group: { _id: '$a', m: { $push: '$t' } } }]).toArray() },
    { what: '$concat', run: (words) => words.aggregate([{ $project: { b: { $concat: ['$t', 'z'] } } }]).toArray() },
    { what: '$add', run: (words) => words.aggregate([{ $addFields: { b: { $add: ['$a', 1] } } }]).toArray() },
    finds('$expr', { $expr: { $gt: ['$a', 1] } }),
    { what: 'collation', run: (words) => words.find({}, { collation: { locale: 'en' } }).toArray() },
    { what: 'arrayFilters', run: (words) => words.updateOne({ a: 1 }, { $set: { 'n.$[e]': 5 } }, { arrayFilters: [{ e: 1 }] }) },
    { what: 'change streams', run: (words) => words.watch().tryNext() },
    index('expireAfterSeconds', { at: 1 }, { expireAfterSeconds: 10 }),
    index('partialFilterExpression', { a: 1 }, { partialFilterExpression: { a: { $gt: 1 } } }),
    collection('viewOn', { viewOn: 'words', pipeline: [] }),
    collection('timeseries', { timeseries: { timeField: 't' } }),
    collection('validator', { validator: { a: 1 } }),
    command('createUser', { pwd: 'y', roles: [{ role: 'read', db: 'x' }] }),
  ],
  [BAD_VALUE]: [
    finds('$where', { $where: 'this.a > 1' }),
    finds('$text', { $text: { $search: 'x' } }),
    finds('$near', { at: { $near: [1, 2] } }),
  ],
  [NO_INDEX]: [index('text', { t: 'text' }), index('2dsphere', { at: '2dsphere' }), index('hashed', { t: 'hashed' })],
  [NO_COMMAND]: [command('mapReduce', { map: 'f', reduce: 'f', out: { inline: 1 } }), command('createRole', { privileges: [], roles: [] })],
  9: [{ what: 'transactions', run: (words, db) => inTransaction(db.client, words) }],
  14: [{ what: 'an update that is a pipeline', run: (words) => words.updateOne({ a: 1 }, [{ $set: { b: '$a' } }]) }],
};

const THERE: Tried[] = [
  stage('$match', { a: 1 }),
  stage('$project', { a: 1 }),
  stage('$addFields', { b: 1 }),
  stage('$set', { b: 1 }),
  stage('$unset', 'a'),
  stage('$sort', { a: 1 }),
  stage('$skip', 1),
  stage('$limit', 1),
  stage('$count', 'n'),
  stage('$unwind', '$n'),
  stage('$group', { _id: '$t', sum: { $sum: '$a' }, count: { $count: {} } }),
  finds('$in', { a: { $in: [1] }, $or: [{ a: 1 }, { a: { $not: { $gt: 5 } } }] }),
  finds('$elemMatch', { n: { $elemMatch: { $gt: 1 } } }),
  finds('$all', { n: { $all: [1], $size: 2 } }),
  finds('$regex', { t: { $regex: 'x' } }),
  finds('$exists', { a: { $exists: true, $type: 'int', $mod: [1, 0] } }),
  updates('$inc', { k: 1 }),
  updates('$mul', { k: 2 }),
  updates('$min', { k: 1 }),
  updates('$max', { k: 3 }),
  updates('$push', { n: 3 }),
  updates('$addToSet', { n: 3 }),
  updates('$pull', { n: 3 }),
  updates('$pop', { n: 1 }),
  updates('$rename', { k: 'l' }),
  updates('$currentDate', { at: true }),
  updates('$unset', { l: '' }),
  index('unique', { u: 1 }, { unique: true, sparse: true }),
  { what: 'findOneAndUpdate', run: (words) => words.findOneAndUpdate({ a: 1 }, { $set: { f: 1 } }, { upsert: true }) },
  { what: 'bulkWrite', run: (words) => words.bulkWrite([{ insertOne: { document: { q: 1 } } }, { deleteOne: { filter: { q: 1 } } }]) },
  { what: 'distinct', run: (words) => words.distinct('a') },
];

async function inTransaction(client: MongoClient, words: Collection): Promise<void> {
  await client.withSession((session) => session.withTransaction(async () => void (await words.insertOne({ z: 1 }, { session }))));
}

if (!ferretdbIsThere()) test.skip('FerretDB’s features (skipped: no server; npm start builds it where Go is)', () => undefined);
else
  describe('FerretDB', () => {
    let harness: MongodbHarness;
    let client: MongoClient;
    let words: Collection;
    beforeAll(async () => {
      harness = await startMongodbHarness({ limits: {} });
      const request = harness.newRequest();
      await harness.backend.provision(request);
      client = harness.client(request);
      words = client.db().collection('words');
      await words.insertMany([
        { a: 1, t: 'x', n: [1, 2] },
        { a: 2, t: 'y' },
      ]);
    });
    afterAll(async () => {
      await client.close();
      for (const objectName of await harness.backend.list('test')) await harness.backend.destroyOrphan({ backendName: 'test', objectName });
      await harness.close();
    });

    describe.each(Object.entries(LACKING))('lacks, with code %s,', (code, tried) => {
      test.each(tried)('$what, and the page says so', async ({ what, run }) => {
        await expect(run(words, client.db())).rejects.toMatchObject({ code: Number(code) });
        const row = PAGE.split('\n').find((line) => line.startsWith('|') && line.includes(` ${code} `));
        expect(row).toMatch(new RegExp(`(^|\\W)${what.replace('$', '\\$')}(\\W|$)`));
      });
    });

    test.each(THERE)('has $what', async ({ run }) => {
      await run(words, client.db());
    });
  });
