// Receivers that are slow, broken, gone or elsewhere; and that none of them is felt by a resource, or by another receiver.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PgNotificationStore } from '../../api/notifications/store';
import { Keyring } from '../../shared/crypto';
import type { TestDatabase } from '../harness/database';
import { type Lifecycle, startResource, TEST_KEYRING, testSpec } from '../harness/lifecycle';
import {
  type MailServer,
  type NotificationWorld,
  openNotificationWorld,
  type Receiver,
  type RunningNotifications,
} from '../harness/notification';
import { eventsOf, eventually } from '../harness/rows';
import { skipToEnd } from '../harness/time';

let database: TestDatabase;
let lifecycle: Lifecycle;
let mailServer: MailServer;
let receiver: Receiver;
let notifications: RunningNotifications;
let world: NotificationWorld;
let store: PgNotificationStore;

beforeAll(async () => {
  // Two dispatchers at once, for every test here.
  world = await openNotificationWorld({ loops: 2, maximumAttempts: 3, perTarget: 2 });
  ({ database, lifecycle, mailServer, receiver, notifications } = world);
  store = new PgNotificationStore({ pool: database.pool, keyring: Keyring.parse(TEST_KEYRING) });
});
beforeEach(() => {
  receiver.answer = (_call, response) => void response.writeHead(204).end();
  mailServer.before = async () => undefined;
});
afterAll(() => world.close());

interface DeliveryRow {
  id: string;
  state: string;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  target_id: string;
  channel: string;
}

async function deliveriesOf(resourceId: string): Promise<DeliveryRow[]> {
  const { rows } = await database.pool.query<DeliveryRow>('SELECT * FROM deliveries WHERE resource_id = $1 ORDER BY created_at', [
    resourceId,
  ]);
  return rows;
}

const ended = (rows: DeliveryRow[]) => rows.length > 0 && rows.every(({ state }) => state !== 'pending');

async function aTeam(email: string): Promise<{ teamId: string; userId: string }> {
  const [teamId, userId] = [randomUUID(), randomUUID()];
  await database.pool.query(`INSERT INTO teams (id, name, tier) VALUES ($1, 'team', 'pro')`, [teamId]);
  await database.pool.query('INSERT INTO users (id, email) VALUES ($1, $2)', [userId, email]);
  await database.pool.query(`INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, 'owner')`, [teamId, userId]);
  return { teamId, userId };
}

describe('a receiver that', () => {
  it('answers 500 is tried again, then given up: a dead letter with a line in the audit log, a number, and a way back', async () => {
    const { teamId } = await aTeam('broken@example.test');
    const url = receiver.url('/broken');
    const made = await store.createSubscription(teamId, { url, events: ['resource.active'], kinds: ['postgres'] }, 10);
    const subscription = made?.subscription;
    if (subscription === undefined) throw new Error('no subscription');
    receiver.answer = ({ path }, response) => void response.writeHead(path === '/broken' ? 500 : 204).end();
    const spec = testSpec({ owner: { type: 'team', teamId }, notifyWebhook: receiver.url('/fine') });
    await startResource(lifecycle.client, spec);
    const rows = await eventually(
      () => deliveriesOf(spec.resourceId),
      (all) => all.length === 3 && ended(all),
    );
    const dead = rows.find(({ target_id }) => target_id === subscription.id);
    expect(dead).toMatchObject({ state: 'dead', attempts: 3, last_status: 500 });
    expect(receiver.to('/broken')).toHaveLength(3);
    expect(new Set(receiver.to('/broken').map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(receiver.to('/fine').filter(({ event }) => event.resource_id === spec.resourceId)).toHaveLength(2);
    const { rows: audited } = await eventually(
      () => database.pool.query(`SELECT * FROM audit_logs WHERE action = 'notification.dead_lettered' AND team_id = $1`, [teamId]),
      ({ rowCount }) => rowCount !== 0,
    );
    expect(audited).toMatchObject([{ target_id: dead?.id, result: 'failure' }]);
    await eventually(
      () => notifications.registry.metrics(),
      (text) => text.includes('leasehold_deliveries_dead_total{channel="webhook"} 1'),
    );

    receiver.answer = (_call, response) => void response.writeHead(200).end();
    expect(await store.retryDelivery(subscription.id, dead?.id ?? '')).toMatchObject({ state: 'pending', attempts: 0 });
    await eventually(
      () => deliveriesOf(spec.resourceId),
      (all) => all.every(({ state }) => state === 'delivered'),
    );
    expect(receiver.to('/broken')).toHaveLength(4);

    // And the past once more, by cursor: what was delivered is sent again with the id that it had.
    const { queued } = await store.replay(subscription, null, 100);
    expect(queued).toBe(1);
    await eventually(
      async () => receiver.to('/broken').length,
      (calls) => calls === 5,
    );
    expect(new Set(receiver.to('/broken').map(({ event }) => event.id)).size).toBe(1);
  });

  it('answers 410 is not called again, and its subscription is off', async () => {
    const { teamId } = await aTeam('gone@example.test');
    const made = await store.createSubscription(teamId, { url: receiver.url('/gone'), events: ['*'], kinds: null }, 10);
    receiver.answer = ({ path }, response) => void response.writeHead(path === '/gone' ? 410 : 204).end();
    const spec = testSpec({ owner: { type: 'team', teamId }, notifyWebhook: receiver.url('/stays') });
    const { handle } = await startResource(lifecycle.client, spec);
    await eventually(
      () => store.findSubscription(teamId, made?.subscription.id ?? ''),
      (found) => found?.disabled_reason === 'the receiver answered 410',
    );
    // Of both events: what is planned with the other receiver's second one may be on its way to this one too.
    await eventually(
      () => deliveriesOf(spec.resourceId),
      (all) => ended(all) && all.filter(({ target_id }) => target_id === spec.resourceId).length === 2,
    );
    const calls = receiver.to('/gone').length;
    await handle.signal('suspend', 'operator');
    await eventually(
      () => eventsOf(database, spec.resourceId),
      (events) => events.some(({ type }) => type === 'resource.suspended'),
    );
    await eventually(
      async () => mailServer.received,
      (mails) => mails.some(({ to }) => to === 'gone@example.test'),
    );
    expect(receiver.to('/gone')).toHaveLength(calls);
  });

  it('points elsewhere, or is inside, gets nothing from us there', async () => {
    receiver.answer = ({ path }, response) =>
      void response.writeHead(path === '/moved' ? 307 : 204, { location: receiver.url('/inside') }).end();
    const moved = testSpec({ notifyWebhook: receiver.url('/moved') });
    const inside = testSpec({ notifyWebhook: 'http://169.254.169.254/latest/meta-data' });
    for (const spec of [moved, inside]) await startResource(lifecycle.client, spec);
    const rows = await eventually(() => deliveriesOf(moved.resourceId), ended);
    expect(rows[0]).toMatchObject({
      state: 'dead',
      last_status: 307,
      last_error: 'the receiver answered 307, and redirects are not followed',
    });
    expect(receiver.to('/inside')).toEqual([]);
    const refused = await eventually(() => deliveriesOf(inside.resourceId), ended);
    expect(refused[0]).toMatchObject({
      state: 'dead',
      last_status: null,
      last_error: 'the host does not resolve to public addresses alone',
    });
  });

  it('hangs delays neither the resource nor another receiver', async () => {
    receiver.answer = ({ path }, response) => {
      if (path !== '/hangs') response.writeHead(204).end();
    };
    const hanging = Array.from({ length: 6 }, () => testSpec({ notifyWebhook: receiver.url('/hangs') }));
    const spec = testSpec({ notifyWebhook: receiver.url('/quick') });
    for (const each of [...hanging, spec]) {
      const { handle, workflowId } = await startResource(lifecycle.client, each);
      await skipToEnd(lifecycle.client, workflowId);
      expect(await handle.result()).toEqual({ outcome: 'deleted' });
    }
    await eventually(
      async () => receiver.to('/quick').length,
      (calls) => calls === 8,
    );
    expect((await deliveriesOf(hanging[5]?.resourceId ?? '')).every(({ state }) => state !== 'delivered')).toBe(true);
    receiver.answer = (_call, response) => void response.writeHead(204).end();
  });
});

describe('mail', () => {
  it('goes once to a person whom two ways lead to, and to nobody who wants none', async () => {
    const { teamId } = await aTeam('Ada@example.test');
    const spec = testSpec({ owner: { type: 'team', teamId } });
    await store.keepTargets(spec.resourceId, { email: 'ada@example.test', webhook: false });
    const { handle } = await startResource(lifecycle.client, spec);
    await handle.signal('suspend', '<b>abuse</b>\r\nBcc: everybody@example.test');
    const mine = () => mailServer.received.filter(({ to }) => to.toLowerCase() === 'ada@example.test');
    await eventually(
      async () => mine().length,
      (count) => count === 1,
    );
    const [first] = mine();
    expect(first?.mail.subject).toBe('postgres "orders" was suspended');
    expect(first?.mail.html).toContain('&lt;b&gt;abuse&lt;/b&gt;');
    expect(first?.mail.bcc).toBeUndefined();
    expect(first?.mail.headers.find(({ key }) => key === 'list-unsubscribe')?.value).toMatch(
      /^<http:\/\/leasehold\.test\/notifications\/[^>]+\/unsubscribe>$/,
    );
    // A team's resource has no claim link.
    expect(first?.mail.text).not.toContain('/start?t=');

    const [row] = (await deliveriesOf(spec.resourceId)).filter(({ channel }) => channel === 'email');
    await store.optOut(row?.target_id ?? '', teamId);
    await handle.signal('resume');
    await handle.signal('delete', { actor: { type: 'system', id: 'test' }, requestId: null, reason: 'test' });
    await handle.result();
    await eventually(
      async () => (await database.pool.query('SELECT event_cursor FROM notification_cursor')).rows[0].event_cursor,
      (cursor) => cursor !== '',
    );
    const other = testSpec();
    await store.keepTargets(other.resourceId, { email: 'later@example.test', webhook: false });
    const later = await startResource(lifecycle.client, other);
    await later.handle.signal('suspend', 'operator');
    await eventually(async () => mailServer.received.some(({ to }) => to === 'later@example.test'), Boolean);
    expect(mine()).toHaveLength(1);
  });

  it('is tried again when the server says later, and given up when it knows no such address', async () => {
    let refusals = 0;
    mailServer.before = async (to) => {
      if (to === 'nobody@example.test') throw Object.assign(new Error('no such user'), { responseCode: 550 });
      if (to === 'busy@example.test' && refusals++ < 2) throw Object.assign(new Error('later'), { responseCode: 451 });
    };
    const specs = await Promise.all(
      ['nobody@example.test', 'busy@example.test'].map(async (email) => {
        const spec = testSpec();
        await store.keepTargets(spec.resourceId, { email, webhook: false });
        const { handle } = await startResource(lifecycle.client, spec);
        await handle.signal('suspend', 'operator');
        return spec;
      }),
    );
    const [nobody, busy] = await Promise.all(specs.map(({ resourceId }) => eventually(() => deliveriesOf(resourceId), ended)));
    expect(nobody).toMatchObject([{ state: 'dead', attempts: 1, last_status: 550 }]);
    expect(busy).toMatchObject([{ state: 'delivered', attempts: 3 }]);
  });
});
