// A team's events as pages, as a stream and over WebSocket; one resource's over WebSocket; and where the links of a mail lead.
import { randomUUID } from 'node:crypto';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import WebSocket from 'ws';
import { hashToken, JwtSigner } from '../../shared/crypto';
import { addressIdOf, NO_TEAM, signMailLink } from '../../shared/notification';
import type { ResourceSpec } from '../../shared/resourcetype';
import { type RunningApi, startApi } from '../harness/api';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, TEST_KEYRING, testSpec } from '../harness/lifecycle';
import { createRecordingBackend } from '../harness/recording-backend';
import { eventually, rowOf } from '../harness/rows';
import { openStream } from '../harness/streams';

let database: TestDatabase;
let lifecycle: Lifecycle;
let api: RunningApi;

beforeAll(async () => {
  database = await createTestDatabase();
  lifecycle = await createLifecycle({ database, backend: createRecordingBackend() });
  await lifecycle.startWorkers();
  api = await startApi(database, { namespace: lifecycle.namespace, env: { LEASEHOLD_SOCKET_ORIGINS: 'https://console.example.test' } });
});
afterAll(async () => {
  await api.stop();
  await lifecycle.close();
  await database.drop();
});

async function aTeam(): Promise<{ teamId: string; key: string }> {
  const teamId = randomUUID();
  const key = `lh_${randomUUID()}`;
  await database.pool.query(`INSERT INTO teams (id, name, tier) VALUES ($1, 'team', 'pro')`, [teamId]);
  await database.pool.query(
    `INSERT INTO api_keys (id, team_id, name, key_hash, scopes) VALUES ($1, $2, 'test', $3, '{read,write,admin}')`,
    [randomUUID(), teamId, hashToken(key)],
  );
  return { teamId, key };
}

const ofTeam = (teamId: string): ResourceSpec => testSpec({ owner: { type: 'team', teamId }, actor: { type: 'team', id: teamId } });
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

interface Opened {
  protocol: string;
  messages: { id: string; event: string; data: { resource_id: string } }[];
  closed: Promise<{ code: number; reason: string }>;
  socket: WebSocket;
}

/** Rejects with the status of a refusal. */
function openSocket(path: string, protocols: string[], headers: Record<string, string> = {}): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(api.url.replace('http', 'ws') + path, protocols, { headers });
    const messages: Opened['messages'] = [];
    socket.on('message', (data) => messages.push(JSON.parse(String(data))));
    const closed = new Promise<{ code: number; reason: string }>((done) =>
      socket.once('close', (code, reason) => done({ code, reason: String(reason) })),
    );
    socket.once('open', () => resolve({ protocol: socket.protocol, messages, closed, socket }));
    socket.once('unexpected-response', (_request, response) => reject(new Error(String(response.statusCode))));
    socket.once('error', reject);
  });
}

describe('a team’s events', () => {
  it('come as pages and as a stream that goes on where it broke off, and nobody else’s do', async () => {
    const [mine, other] = [await aTeam(), await aTeam()];
    const stream = await openStream(`${api.url}/api/v1/events`, bearer(mine.key));
    expect(stream.status).toBe(200);
    const first = ofTeam(mine.teamId);
    await Promise.all([startResource(lifecycle.client, first), startResource(lifecycle.client, ofTeam(other.teamId))]);
    await eventually(
      async () => stream.events.length,
      (count) => count === 2,
    );
    stream.close();
    const second = ofTeam(mine.teamId);
    await startResource(lifecycle.client, second);
    const resumed = await openStream(`${api.url}/api/v1/events`, { ...bearer(mine.key), 'last-event-id': stream.events[0]?.id ?? '' });
    await eventually(
      async () => resumed.events.length,
      (count) => count === 3,
    );
    resumed.close();
    const seen = [stream.events[0], ...resumed.events].map((event) => `${event?.data.resource_id} ${event?.event}`);
    expect(seen).toEqual([first, second].flatMap(({ resourceId }) => [`${resourceId} resource.reserved`, `${resourceId} resource.active`]));

    const pageOf = async (query: string) => {
      const answer = await fetch(`${api.url}/api/v1/events?${query}`, { headers: bearer(mine.key) });
      return (await answer.json()) as { items: { id: string }[]; next_cursor: string };
    };
    const page = await pageOf('limit=3');
    const rest = await pageOf(`cursor=${page.next_cursor}`);
    expect([...page.items, ...rest.items].map(({ id }) => id)).toEqual(
      [stream.events[0], ...resumed.events].map((event) => event?.data.id),
    );
    const wrong = await fetch(`${api.url}/api/v1/events?cursor=nonsense`, { headers: bearer(mine.key) });
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: 'invalid_cursor' }]);
    expect((await fetch(`${api.url}/api/v1/events`)).status).toBe(401);
  });

  it('come over WebSocket, the credential in the protocols and never in the answer, until the key is revoked', async () => {
    const { teamId, key } = await aTeam();
    const opened = await openSocket('/api/v1/events/ws', ['leasehold.v1', `leasehold.bearer.${key}`]);
    expect(opened.protocol).toBe('leasehold.v1');
    const bare = await openSocket('/api/v1/events/ws', ['leasehold.v1', key]);
    const spec = ofTeam(teamId);
    await startResource(lifecycle.client, spec);
    for (const { messages } of [opened, bare]) {
      await eventually(
        async () => messages.length,
        (count) => count === 2,
      );
      expect(messages.map(({ event, data }) => [event, data.resource_id])).toEqual([
        ['resource.reserved', spec.resourceId],
        ['resource.active', spec.resourceId],
      ]);
    }
    const resumed = await openSocket(`/api/v1/events/ws?after=${opened.messages[0]?.id}`, ['leasehold.v1', `leasehold.bearer.${key}`]);
    await eventually(
      async () => resumed.messages.length,
      (count) => count === 1,
    );
    await database.pool.query('UPDATE api_keys SET revoked_at = now() WHERE team_id = $1', [teamId]);
    expect(await opened.closed).toEqual({ code: 1008, reason: 'unauthorized' });
    await expect(openSocket('/api/v1/events/ws', ['leasehold.v1', `leasehold.bearer.${key}`])).rejects.toThrow('401');
    expect(api.logged.join('')).not.toContain(key);
  });

  it('refuses sockets without a credential, with one in the url, from pages elsewhere, and more than a caller may have', async () => {
    const { key } = await aTeam();
    const protocols = ['leasehold.v1', `leasehold.bearer.${key}`];
    await expect(openSocket('/api/v1/events/ws', ['leasehold.v1'])).rejects.toThrow('401');
    await expect(openSocket(`/api/v1/events/ws?access_token=${key}`, ['leasehold.v1'])).rejects.toThrow('400');
    await expect(openSocket('/api/v1/events/ws?after=nonsense', protocols)).rejects.toThrow('400');
    await expect(openSocket('/api/v1/events/ws', protocols, { origin: 'https://evil.example.test' })).rejects.toThrow('403');
    await expect(openSocket('/api/v1/nothing/ws', protocols)).rejects.toThrow('404');
    expect((await fetch(`${api.url}/api/v1/events/ws`, { headers: bearer(key) })).status).toBe(426);
    const allowed = await openSocket('/api/v1/events/ws', protocols, { origin: 'https://console.example.test' });
    const open = [allowed];
    while (open.length < 20) open.push(await openSocket('/api/v1/events/ws', protocols));
    await expect(openSocket('/api/v1/events/ws', protocols)).rejects.toThrow('429');
    // A client has nothing to say that is longer than this.
    allowed.socket.send('x'.repeat(2_000));
    expect((await allowed.closed).code).toBe(1009);
    (await openSocket('/api/v1/events/ws', protocols)).socket.terminate();
    for (const { socket } of open) socket.terminate();
  });
});

describe('one resource over WebSocket', () => {
  it('is open to its token and to nobody else, and ends with the last event there can be', async () => {
    const spec = testSpec();
    const { handle } = await startResource(lifecycle.client, spec);
    const { rows } = await database.pool.query('SELECT token_encrypted FROM resources WHERE id = $1', [spec.resourceId]);
    const token = lifecycle.keyring.decrypt(rows[0].token_encrypted, `token:${spec.resourceId}`);
    const path = `/api/v1/resources/${spec.resourceId}/events/ws`;
    const { key } = await aTeam();
    await expect(openSocket(path, ['leasehold.v1', `leasehold.bearer.${key}`])).rejects.toThrow('404');
    const opened = await openSocket(path, ['leasehold.v1', `leasehold.token.${token}`]);
    await handle.signal('delete', { actor: { type: 'system', id: 'test' }, requestId: null, reason: 'test' });
    expect((await opened.closed).code).toBe(1000);
    expect(opened.messages.map(({ id, event }) => [id, event])).toEqual([
      ['1', 'resource.reserved'],
      ['2', 'resource.active'],
      ['3', 'resource.deleting'],
      ['4', 'resource.deleted'],
    ]);
    expect(api.logged.join('')).not.toContain(token);
  });
});

it('serves a request that would rather have HTTP/2, its body included, as if nothing had been asked', async () => {
  const { hostname, port } = new URL(api.url);
  const body = JSON.stringify({ nothing: true });
  const lines = ['POST /db/new HTTP/1.1', 'Host: x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ'];
  const text = `${[...lines, 'Content-Type: application/json', `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = net.connect(Number(port), hostname, () => socket.write(text));
    let received = '';
    socket.once('error', reject);
    socket.once('close', () => resolve(received));
    // Head and body may come one after the other.
    socket.on('data', (data) => {
      received += String(data);
      if (/\r\n\r\n.*\}$/s.test(received)) socket.destroy();
    });
  });
  expect(answer).toContain('HTTP/1.1 400');
  expect(answer).toContain('name_required');
});

describe('the links of a mail', () => {
  const jwt = JwtSigner.parse(TEST_KEYRING);
  const linkOf = async (resourceId: string, scope = NO_TEAM) =>
    `${api.url}/notifications/${await signMailLink(jwt, { resourceId, addressId: addressIdOf('a@example.test'), scope })}`;

  it('extend by a button, once a time, and not by being looked at', async () => {
    const spec = testSpec();
    await startResource(lifecycle.client, spec);
    const before = (await rowOf(database, spec.resourceId)).expires_at?.getTime() ?? 0;
    const link = await linkOf(spec.resourceId);
    const looked = await fetch(link);
    expect([looked.status, await looked.text()]).toEqual([200, expect.stringContaining('Extend it by 24h')]);
    expect((await rowOf(database, spec.resourceId)).expires_at?.getTime()).toBe(before);
    expect((await fetch(`${link}/extend`, { method: 'POST' })).status).toBe(200);
    expect((await rowOf(database, spec.resourceId)).expires_at?.getTime()).toBe(before + 24 * HOUR_MS);
    const [twice, thrice] = [await fetch(`${link}/extend`, { method: 'POST' }), await fetch(`${link}/extend`, { method: 'POST' })];
    expect([twice.status, thrice.status]).toEqual([200, 200]);
    // 72 hours from its making is the longest that the plan allows.
    expect((await rowOf(database, spec.resourceId)).expires_at?.getTime()).toBe(before + 48 * HOUR_MS);
    expect(await (await fetch(link)).text()).toContain('cannot be extended any more');
  });

  it('open nothing when they are forged or were made for another owner, and end mail by one click', async () => {
    const spec = testSpec();
    await startResource(lifecycle.client, spec);
    const other = await linkOf(spec.resourceId, randomUUID());
    expect((await fetch(other)).status).toBe(404);
    expect((await fetch(`${api.url}/notifications/${'x'.repeat(40)}`)).status).toBe(404);
    const link = await linkOf(spec.resourceId);
    const oneClick = await fetch(`${link}/unsubscribe`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'List-Unsubscribe=One-Click',
    });
    expect(oneClick.status).toBe(200);
    const { rows } = await database.pool.query('SELECT * FROM email_opt_outs WHERE address_id = $1', [addressIdOf('a@example.test')]);
    expect(rows).toMatchObject([{ scope: NO_TEAM }]);
  });
});
