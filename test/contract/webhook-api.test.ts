// What the api shows of an inbox, sends again, and lets its owner decide: on the real receiver and its real store.
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Express } from 'express';
import request from 'supertest';
import { expectDeclared } from '../../api/testing/fakes';
import { listen, openWorld, portOf, requestsPath, type Tenant, type World } from '../attacks/webhook/world';
import { eventually } from '../harness/rows';

let world: World;
let app: Express;
let tenant: Tenant;

beforeAll(async () => {
  world = await openWorld({});
  // Loopback may be called here, as an operator may allow it.
  app = world.api({ ports: 'any', allowedCidrs: ['127.0.0.1/32'], timeoutMs: 20_000 }, expectDeclared);
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = await world.tenant();
});

const send = (sending: Parameters<World['harness']['send']>[1] = {}) => world.harness.send(tenant.request, sending);

describe('stored requests', () => {
  test('are listed newest first, by page', async () => {
    const ids: (string | undefined)[] = [];
    for (let sent = 0; sent < 5; sent += 1) ids.unshift((await send({ path: `/${sent}?n=${sent}` })).body.id);
    const first = await request(app).get(`${requestsPath(tenant)}?limit=3`);
    const second = await request(app).get(`${requestsPath(tenant)}?limit=3&cursor=${first.body.next_cursor}`);
    expect(first.body.items).toHaveLength(3);
    expect([...first.body.items, ...second.body.items].map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(second.body.next_cursor).toBeNull();
    expect(first.body.items[0]).toMatchObject({ method: 'POST', path: '/4', query: 'n=4', body_bytes: 0 });
  });

  test('are read with their body, as text or in base64', async () => {
    const text = await send({ method: 'PUT', headers: { 'X-Twice': ['a', 'b'], 'content-type': 'application/json' }, body: '{"ü":1}' });
    const binary = await send({ method: 'PATCH', body: Buffer.from([0xff, 0, 1]) });
    const asText = await request(app).get(`${requestsPath(tenant)}/${text.body.id}`);
    const asBytes = await request(app).get(`${requestsPath(tenant)}/${binary.body.id}`);
    expect(asText.body).toMatchObject({ method: 'PUT', path: '/', body: '{"ü":1}', body_encoding: 'utf8', body_bytes: 8 });
    expect(asText.body.headers).toMatchObject({ 'x-twice': 'a, b', 'content-type': 'application/json' });
    expect(asBytes.body).toMatchObject({ method: 'PATCH', body: '/wAB', body_encoding: 'base64', body_bytes: 3 });
  });

  test('any method is taken, HEAD and OPTIONS too', async () => {
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];
    for (const method of methods) expect((await send({ method })).status).toBe(200);
    expect((await world.held(tenant)).length).toBe(methods.length);
  });

  test('stream in as they come, after the last one seen, until the inbox is closed', async () => {
    const before = await send({ path: '/before' });
    const server: Server = await listen(createServer(app), '127.0.0.1');
    /** Open once the answer has begun: what comes in from then on is in it. */
    const stream = async (lastEventId?: string) => {
      const headers = { accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) };
      const answer = await fetch(`http://127.0.0.1:${portOf(server)}${requestsPath(tenant)}`, { headers });
      expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      const said = { text: '' };
      const ended = (async () => {
        const decoder = new TextDecoder();
        for await (const chunk of answer.body ?? []) said.text += decoder.decode(chunk, { stream: true });
      })();
      return { said, ended };
    };
    const [now, all] = [await stream(), await stream('00000000-0000-7000-8000-000000000000')];
    const after = await send({ path: '/after' });
    for (const { said } of [now, all]) {
      await eventually(
        async () => said.text,
        (text) => text.includes(`id: ${after.body.id}\n`),
      );
    }
    await world.harness.backend.cut(tenant.request);
    await Promise.all([now.ended, all.ended]);
    const ids = ({ said }: typeof now) => [...said.text.matchAll(/^id: (.*)$/gm)].map((match) => match[1]);
    expect({ now: ids(now), all: ids(all) }).toEqual({ now: [after.body.id], all: [before.body.id, after.body.id] });
    expect(now.said.text).toContain('event: request\ndata: {"id"');
    server.close();
  });
});

describe('sending again', () => {
  test('sends method, body and headers, but for what was secret or only that hop’s', async () => {
    const seen: { incoming: IncomingMessage; body: string }[] = [];
    const target: Server = await listen(
      createServer(async (incoming, response) => {
        let body = '';
        for await (const chunk of incoming) body += chunk;
        seen.push({ incoming, body });
        response.writeHead(202, { 'content-type': 'text/html' }).end('<script>');
      }),
      '127.0.0.1',
    );
    const headers = {
      authorization: 'Bearer s',
      'x-hub-signature-256': 'sha256=ab',
      'x-forwarded-for': '1.2.3.4',
      'content-type': 'text/x',
    };
    const stored = await send({ method: 'PATCH', headers, body: 'again' });
    const answer = await request(app)
      .post(`${requestsPath(tenant)}/${stored.body.id}/replay`)
      .send({ url: `http://127.0.0.1:${portOf(target)}/hook?a=b` });
    expect(answer.body).toMatchObject({ ok: true, delivered: true, status: 202, content_type: 'text/html', redirects: 0, failure: null });
    expect(answer.text).not.toContain('script');
    const [arrived] = seen;
    expect(arrived).toMatchObject({ body: 'again', incoming: { method: 'PATCH', url: '/hook?a=b' } });
    expect(arrived?.incoming.headers).toEqual({
      host: `127.0.0.1:${portOf(target)}`,
      connection: 'close',
      'content-length': '5',
      'content-type': 'text/x',
      'x-hub-signature-256': 'sha256=ab',
      'x-webhook-replay': stored.body.id,
    });
    expect(world.rows.audited.at(-1)).toMatchObject({ action: 'webhook.replay', targetId: tenant.request.resourceId });
    target.close();
  });

  test('says when nobody answers', async () => {
    const stored = await send();
    const answer = await request(app)
      .post(`${requestsPath(tenant)}/${stored.body.id}/replay`)
      .send({ url: 'http://127.0.0.1:9/' });
    expect(answer.body).toMatchObject({ ok: true, delivered: false, status: null, failure: expect.stringContaining('ECONNREFUSED') });
  });

  test('names what is wrong with the url', async () => {
    const stored = await send();
    for (const body of [{}, { url: 5 }, { url: '' }, { url: 'x' }, { url: 'ftp://a/' }, { url: 'http://a/', more: 1 }]) {
      const answer = await request(app)
        .post(`${requestsPath(tenant)}/${stored.body.id}/replay`)
        .send(body);
      expect({ body, status: answer.status, error: answer.body.error }).toEqual({ body, status: 400, error: 'invalid_request' });
    }
  });
});

describe('the signature', () => {
  const signed = (body: string) => `sha256=${createHmac('sha256', 'secret of the sender').update(body).digest('hex')}`;
  const patch = (signature: object | null) => request(app).patch(`/api/v1/webhooks/${tenant.token}`).send({ signature });

  test('is checked from then on, also for the url after a rotation, until it is not', async () => {
    const set = await patch({ secret: 'secret of the sender' });
    expect(set.body).toEqual({ ok: true, signature: { header: 'x-hub-signature-256', prefix: 'sha256=', encoding: 'hex' } });
    const headers = { 'x-hub-signature-256': signed('body') };
    expect((await send({ body: 'body' })).status).toBe(403);
    expect((await send({ body: 'body', headers })).status).toBe(200);
    await world.harness.backend.rotate({ ...tenant.request, credentialVersion: 2, previousVersion: 1 });
    for (const version of [1, 2]) {
      expect((await send({ body: 'body', headers, version })).status).toBe(200);
      expect((await send({ body: 'other', headers, version })).status).toBe(403);
    }
    await world.harness.backend.retireCredential({ ...tenant.request, retireVersion: 1 });
    const row = world.rows.rows.find(({ id }) => id === tenant.request.resourceId);
    if (row) Object.assign(row, { credential_version: 2 });
    expect((await patch(null)).body).toEqual({ ok: true, signature: null });
    expect(world.rows.audited.at(-1)).toMatchObject({ action: 'webhook.signature', result: 'success', data: { checked: false } });
    expect((await send({ body: 'other', version: 2 })).status).toBe(200);
  });

  test('waits while a rotation is under way', async () => {
    const row = world.rows.rows.find(({ id }) => id === tenant.request.resourceId);
    if (row) Object.assign(row, { retiring_version: 1, credential_version: 2 });
    const answer = await patch({ secret: 'secret of the sender' });
    expect(answer.body.error).toBe('resource_not_ready');
  });

  test('names what is wrong', async () => {
    for (const signature of [
      undefined,
      5,
      {},
      { secret: 'short' },
      { secret: 'long enough', encoding: 'x' },
      { secret: 'long enough', header: 'a b' },
    ]) {
      const answer = await request(app).patch(`/api/v1/webhooks/${tenant.token}`).send({ signature });
      expect(answer.body).toMatchObject({ error: 'invalid_request', message: expect.stringContaining('signature') });
    }
  });
});

test('what is no inbox, or none yet, is said', async () => {
  const row = world.rows.rows.find(({ id }) => id === tenant.request.resourceId);
  if (row === undefined) throw new Error('no row');
  const errorOf = async () => (await request(app).get(requestsPath(tenant))).body.error;
  row.status = 'pending';
  expect(await errorOf()).toBe('resource_not_ready');
  row.status = 'expired';
  expect(await errorOf()).toBe('resource_inactive');
  row.status = 'failed';
  expect(await errorOf()).toBe('provision_failed');
  row.status = 'active';
  row.kind = 'postgres';
  expect(await errorOf()).toBe('not_found');
});
