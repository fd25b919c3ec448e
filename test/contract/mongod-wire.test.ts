// The room for MongoDB servers against a server that speaks the wire and has no roles: what can be told of it without a real mongod.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ProvisionRequest } from '../../activities/backend';
import { mongodHarness } from './mongod-harness';
import { ferretdbIsThere, type MongodbHarness, startMongodbHarness } from './mongodb-harness';

function wireTests(): void {
  let server: MongodbHarness;
  let behind: ProvisionRequest;
  let shared: ReturnType<typeof mongodHarness>;
  beforeAll(async () => {
    server = await startMongodbHarness({ limits: {} });
    behind = server.newRequest();
    await server.backend.provision(behind);
    shared = mongodHarness(adminUrl());
  });
  afterAll(async () => {
    await shared.close();
    await server.backend.deprovision(behind);
    await server.close();
  });

  const adminUrl = () => {
    const url = new URL(server.urlOf(behind));
    url.search = `authSource=${behind.objectName}`;
    return url.href;
  };

  test('its version is read', async () => {
    expect(await shared.backend.serverVersion('test')).toMatch(/^MongoDB \d+\.\d+/);
  });

  /** Only its name and words: what a driver's error holds besides is more than a failed test should print. */
  const faultOf = (call: Promise<unknown>) =>
    call.then(
      () => 'none',
      (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : 'no error'),
    );

  test('it takes no tenant, since it cannot keep them apart', async () => {
    expect(await faultOf(shared.backend.prepareServer('test'))).toMatch(/^ProviderMisconfigured: .*no roles/);
    expect(await faultOf(shared.backend.provision(shared.newRequest()))).toMatch(/is not implemented/);
  });

  test('what is not there: cut, retire and delete have nothing to do, the others say so', async () => {
    const request = shared.newRequest();
    expect(await faultOf(shared.backend.cut(request))).toBe('none');
    expect(await faultOf(shared.backend.retireCredential({ ...request, retireVersion: 1 }))).toBe('none');
    expect(await faultOf(shared.backend.deprovision(request))).toBe('none');
    for (const verb of ['restore', 'applyLimits'] as const)
      expect(await faultOf(shared.backend[verb](request))).toMatch(/^ObjectMissing: /);
  });

  test('a wrong password and a server that is away are told apart', async () => {
    const wrong = new URL(adminUrl());
    wrong.password = 'wrong';
    const refused = mongodHarness(wrong.href);
    expect(await faultOf(refused.backend.prepareServer('test'))).toBe('ProviderUnavailable: Authentication failed.');
    await refused.close();
    const nobody = mongodHarness('mongodb://a:b@127.0.0.1:9/?serverSelectionTimeoutMS=200');
    expect(await faultOf(nobody.backend.prepareServer('test'))).toMatch(/^ProviderUnavailable: .*ECONNREFUSED/);
    await nobody.close();
  });
}

if (ferretdbIsThere()) describe('the room for MongoDB servers, on the wire', wireTests);
else test.skip('the room for MongoDB servers, on the wire (skipped: no server)', () => undefined);
