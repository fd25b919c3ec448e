// What of an inbox's limits its plan says: one body, and a minute's bytes, both kept by the receiver.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startWebhookHarness, type WebhookHarness } from './webhook-harness';

let harness: WebhookHarness;
beforeAll(async () => {
  harness = await startWebhookHarness();
});
afterAll(() => harness.close());

test('a body and a minute’s bytes are limited by the plan, and follow it', async () => {
  const inbox = { ...harness.newRequest(), limits: { requestsStored: 100, bodyKb: 64, mbPerMinute: 1 } };
  await harness.backend.provision(inbox);
  const send = async (bytes: number) => (await harness.send(inbox, { body: Buffer.alloc(bytes, 'x') })).status;
  expect(await send(64 * 1024)).toBe(200);
  const tooLarge = await harness.send(inbox, { body: Buffer.alloc(64 * 1024 + 1, 'x') });
  expect(tooLarge).toMatchObject({ status: 413, body: { error: 'payload_too_large', message: expect.stringContaining('64 KiB') } });
  const chunked = { body: Buffer.alloc(64 * 1024 + 1, 'x'), headers: { 'transfer-encoding': 'chunked' } };
  expect((await harness.send(inbox, chunked)).status).toBe(413);
  for (let sent = 1; sent < 16; sent += 1) expect(await send(64 * 1024)).toBe(200);
  const tooMuch = await harness.send(inbox, { body: 'one more' });
  expect(tooMuch).toMatchObject({ status: 429, body: { error: 'rate_limited', message: expect.stringContaining('1 MiB') } });
  await harness.backend.applyLimits({ ...inbox, limits: { requestsStored: 100, bodyKb: 1024, mbPerMinute: 8 } });
  expect(await send(1024 * 1024)).toBe(200);
  expect(await send(1024 * 1024 + 1)).toBe(413);
  await harness.backend.deprovision(inbox);
});

test('tables of before there were these limits are completed, and their inboxes go on as they were', async () => {
  const inbox = { ...harness.newRequest(), limits: { requestsStored: 100 } };
  await harness.backend.provision(inbox);
  await harness.admin('ALTER TABLE inboxes DROP COLUMN max_body_bytes, DROP COLUMN max_bytes_per_minute');
  // The receiver of the new version may be up before the worker.
  expect((await harness.send(inbox, { body: 'kept' })).status).toBe(200);
  await harness.prepareAgain();
  expect((await harness.send(inbox, { body: Buffer.alloc(1024 * 1024, 'x') })).status).toBe(200);
  await harness.backend.deprovision(inbox);
});
