// A day in the life of a resource, its clock skipped: mail, webhook and stream each tell every rung and the end, once each.
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResourceSpec } from '../../shared/resourcetype';
import { type RunningApi, startApi } from '../harness/api';
import type { TestDatabase } from '../harness/database';
import { type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { type MailServer, type NotificationWorld, openNotificationWorld, type Receiver } from '../harness/notification';
import { eventually } from '../harness/rows';
import { openStream } from '../harness/streams';
import { skipToEnd } from '../harness/time';

let database: TestDatabase;
let lifecycle: Lifecycle;
let api: RunningApi;
let mailServer: MailServer;
let receiver: Receiver;
let world: NotificationWorld;

beforeAll(async () => {
  world = await openNotificationWorld();
  ({ database, lifecycle, mailServer, receiver } = world);
  api = await startApi(database);
});
beforeEach(() => {
  mailServer.received.length = 0;
  receiver.received.length = 0;
});
afterAll(async () => {
  await api.stop();
  await world.close();
});

async function liveADay(spec: ResourceSpec, address: string) {
  await database.pool.query('INSERT INTO resource_notifications (resource_id, email) VALUES ($1, $2)', [spec.resourceId, address]);
  const { handle, workflowId } = await startResource(lifecycle.client, spec);
  const { rows } = await database.pool.query('SELECT token_encrypted FROM resources WHERE id = $1', [spec.resourceId]);
  const token = lifecycle.keyring.decrypt(rows[0].token_encrypted, `token:${spec.resourceId}`);
  const stream = await openStream(`${api.url}/api/v1/resources/${spec.resourceId}/events`, { 'x-resource-token': token });
  await skipToEnd(lifecycle.client, workflowId);
  expect(await handle.result()).toEqual({ outcome: 'deleted' });
  await stream.ended;
  return { token, stream };
}

const step = (event: { type: string; data: Record<string, string> }) => event.data.rung ?? event.type.replace('resource.', '');
const RUNGS_AND_END = ['6h', '2h', '1h', 'deleted'];
const wanted = (steps: string[]) => steps.filter((name) => RUNGS_AND_END.includes(name));

describe('an anonymous resource that gave an address and a webhook', () => {
  it('is warned at 6h, 2h and 1h and told of its end, once by mail, once by webhook and once on its stream', async () => {
    const spec = testSpec({ notifyWebhook: receiver.url('/day') });
    const { stream } = await liveADay(spec, 'agent@example.test');
    await eventually(
      async () => [receiver.to('/day').length, mailServer.received.length],
      ([calls, mails]) => calls === 8 && mails === 5,
    );
    expect(wanted(stream.events.map(({ data }) => step(data)))).toEqual(RUNGS_AND_END);
    const calls = receiver.to('/day');
    expect(wanted(calls.map(({ event }) => step(event))).sort()).toEqual([...RUNGS_AND_END].sort());
    const subjects = mailServer.received.map(({ mail }) => mail.subject);
    expect([...subjects].sort()).toEqual(
      ['6h', '2h', '1h']
        .map((rung) => `postgres "orders" expires in ${rung}`)
        .concat('postgres "orders" has expired', 'postgres "orders" was deleted')
        .sort(),
    );
    expect(new Set(mailServer.received.map(({ to }) => to))).toEqual(new Set(['agent@example.test']));

    // The three tell of the same events, by the same ids.
    const idsOf = new Map(stream.events.map(({ data }) => [data.id, step(data)]));
    for (const { event, headers } of calls) {
      expect(idsOf.get(event.id)).toBe(step(event));
      expect(headers['webhook-id']).toBe(event.id);
    }
    for (const { mail } of mailServer.received) {
      const header = mail.headers.find(({ key }) => key === 'x-leasehold-event-id')?.value ?? '';
      expect(idsOf.has(header)).toBe(true);
      expect(mail.messageId).toContain(`.${header}@leasehold.test`);
    }

    const warning = mailServer.received.find(({ mail }) => mail.subject?.includes('2h'))?.mail;
    for (const body of [warning?.text, warning?.html]) {
      expect(body).toContain('http://leasehold.test/start?t=');
      expect(body).toContain('http://leasehold.test/notifications/');
      expect(body).toContain('expires in 2h');
    }
    const rows = await eventually(
      async () =>
        (await database.pool.query('SELECT state, address, attempts FROM deliveries WHERE resource_id = $1', [spec.resourceId])).rows,
      (all) => all.every((row) => row.state === 'delivered'),
    );
    expect(rows).toHaveLength(13);
    expect(rows.every((row) => row.address === null && row.attempts === 1)).toBe(true);
  });

  it('is called with a signature that its secret verifies', async () => {
    const spec = testSpec({ notifyWebhook: receiver.url('/signed') });
    await liveADay(spec, 'signed@example.test');
    const [call] = await eventually(
      async () => receiver.to('/signed'),
      (calls) => calls.length === 8,
    );
    const { rows } = await database.pool.query('SELECT secret_encrypted FROM resource_notifications WHERE resource_id = $1', [
      spec.resourceId,
    ]);
    const secret = lifecycle.keyring.decrypt(rows[0].secret_encrypted, `webhook-secret:resource:${spec.resourceId}`);
    // As a receiver does it, from the published rules alone.
    const signed = `${call?.headers['webhook-id']}.${call?.headers['webhook-timestamp']}.${call?.body}`;
    const expected = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'))
      .update(signed)
      .digest('base64');
    expect(call?.headers['webhook-signature']).toBe(`v1,${expected}`);
  });

  it('keeps url, secret and address out of Temporal', async () => {
    // The list is kept beside the workflows, and a moment later than they.
    const executions = await eventually(
      async () => {
        const found = [];
        for await (const run of lifecycle.client.workflow.list({ query: `WorkflowType = 'deliver'` })) found.push(run);
        return found;
      },
      ({ length }) => length >= 26,
    );
    const history = await lifecycle.client.workflow.getHandle(executions[0]?.workflowId ?? '').fetchHistory();
    expect(JSON.stringify(history)).not.toMatch(/example\.test|127\.0\.0\.1|whsec_/);
    const payloads = (history.events ?? []).flatMap((event) => event.workflowExecutionStartedEventAttributes?.input?.payloads ?? []);
    const [input] = payloads.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString('utf8')));
    expect(Object.keys(input).sort()).toEqual(['channel', 'deliveryId', 'eventType', 'resourceId', 'targetId']);
  });
});
