import { expect, test } from '@jest/globals';
import { presentMongodb } from './mongodb';
import type { ConnectionInput } from './types';

const given = (over: { details?: ConnectionInput['details']; connections?: number; host?: string; protocol?: string }): ConnectionInput =>
  ({
    resource: { object_name: 'lhx_y', limits: over.connections === undefined ? {} : { connections: over.connections } },
    credential: { version: 1, username: 'lhx_y_1', password: 'p@ss/word' },
    issued: null,
    details: over.details ?? {},
    address: { host: over.host ?? 'db.example.com', port: 27_017, protocol: over.protocol ?? '' },
  }) as unknown as ConnectionInput;

test('the url holds login, place, database and the pool that the plan allows', () => {
  const { connection_url } = presentMongodb(given({ details: { port: 18_001 }, connections: 2 }));
  expect(connection_url).toBe('mongodb://lhx_y_1:p%40ss%2Fword@db.example.com:18001/lhx_y?maxPoolSize=2');
});

test('a shared server is where its address says; no limit, no pool', () => {
  expect(presentMongodb(given({})).connection_url).toBe('mongodb://lhx_y_1:p%40ss%2Fword@db.example.com:27017/lhx_y');
  expect(presentMongodb(given({ connections: -1, host: '::1' })).connection_url).toContain('@[::1]:27017/lhx_y');
});

test('a server with TLS, a replica set, or a name found by DNS', () => {
  const details = { tls: true, replica_set: 'rs0' };
  expect(presentMongodb(given({ details })).connection_url).toMatch(/:27017\/lhx_y\?tls=true&replicaSet=rs0$/);
  expect(presentMongodb(given({ protocol: 'mongodb+srv' })).connection_url).toBe(
    'mongodb+srv://lhx_y_1:p%40ss%2Fword@db.example.com/lhx_y?authSource=lhx_y',
  );
});
