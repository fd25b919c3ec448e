// After access ended: with the old url, over a connection that was open before, with a request that was half sent.
import http from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import request from 'supertest';
import type { Attack } from '../attack';
import { attack, requestsPath, type Tenant, type World } from './world';

/** For an answer that should come. */
const PATIENCE_MS = 20_000;

type Ending = [name: string, end: (tenant: Tenant) => Promise<void>];

export function lifecycleAttacks(world: World): Attack[] {
  const { backend } = world.harness;
  const endings: Ending[] = [
    ['suspended, paused or expired', ({ request: made }) => backend.cut(made)],
    ['deleted', ({ request: made }) => backend.deprovision(made)],
    [
      'rotated',
      async ({ request: made }) => {
        await backend.rotate({ ...made, credentialVersion: 2, previousVersion: 1 });
        await backend.retireCredential({ ...made, retireVersion: 1 });
      },
    ],
  ];
  return endings.flatMap((ending) => after(world, ending));
}

function after(world: World, [name, end]: Ending): Attack[] {
  const { harness } = world;
  const at = (tenant: Tenant) => `/webhook/receive/${harness.tokenOf(tenant.request)}`;
  return [
    attack(`${name}: the old url, anew and over an open connection`, async () => {
      const tenant = await world.tenant();
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const before = await harness.send(tenant.request, { agent });
      if (before.status !== 200) return `proves nothing: ${before.status}`;
      await end(tenant);
      try {
        for (const options of [{ agent }, {}]) {
          const answer = await harness.send(tenant.request, options);
          if (answer.status !== 410) return `it was answered ${answer.status}`;
          if (answer.body.error !== 'webhook_inactive') return `it was told ${answer.body.error}`;
        }
        return null;
      } finally {
        agent.destroy();
      }
    }),
    attack(`${name}: a request that was half sent before`, async () => {
      const tenant = await world.tenant();
      const socket = connect({ host: '127.0.0.1', port: harness.port });
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.on('error', () => undefined);
      socket.write(`POST ${at(tenant)}/late HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nla`);
      await sleep(150);
      await end(tenant);
      socket.write('te');
      for (const endsAtMs = Date.now() + PATIENCE_MS; text === '' && Date.now() < endsAtMs; ) await sleep(20);
      socket.destroy();
      if (!text.startsWith('HTTP/1.1 410')) return `it was answered ${JSON.stringify(text.slice(0, 40))}`;
      const kept = await harness.admin('SELECT FROM requests WHERE path = $1 AND object_name = $2', ['/late', tenant.request.objectName]);
      return kept.length === 0 ? null : 'it was stored';
    }),
    attack(`${name}: sending without pause while it happens`, async () => {
      const tenant = await world.tenant();
      let over = false;
      const knock = async () => {
        while (!over) await harness.send(tenant.request, { path: '/knock' });
      };
      const knocking = Promise.all([knock(), knock(), knock()]);
      await sleep(100);
      await end(tenant);
      const count = async () =>
        (await harness.admin('SELECT FROM requests WHERE path = $1 AND object_name = $2', ['/knock', tenant.request.objectName])).length;
      const stored = await count();
      await sleep(100);
      over = true;
      await knocking;
      return (await count()) === stored ? null : 'something came in afterwards';
    }),
    ...(name === 'rotated' ? [] : [reading(world, [name, end])]),
  ];
}

function reading(world: World, [name, end]: Ending): Attack {
  return attack(`${name}: reading and sending again what is stored`, async () => {
    const tenant = await world.tenant();
    const { body } = await world.harness.send(tenant.request, { body: 'kept' });
    const app = world.api();
    const before = await request(app).get(`${requestsPath(tenant)}/${body.id}`);
    if (before.status !== 200) return `proves nothing: ${before.status}`;
    await end(tenant);
    const url = `http://127.0.0.1:${world.canaryPort}/`;
    const answers = [
      await request(app).get(requestsPath(tenant)),
      await request(app).get(`${requestsPath(tenant)}/${body.id}`),
      await request(app).get(requestsPath(tenant)).set('accept', 'text/event-stream'),
      await request(app)
        .post(`${requestsPath(tenant)}/${body.id}/replay`)
        .send({ url }),
    ];
    const other = answers.find((answer) => answer.status !== 410);
    return other === undefined ? null : `it was answered ${other.status} ${JSON.stringify(other.body).slice(0, 200)}`;
  });
}
