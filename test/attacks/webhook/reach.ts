// Another's inbox: its token, its requests, its database; and what is shown to a browser.
import pg from 'pg';
import request from 'supertest';
import { OPERATOR_KEY } from '../../../api/testing/fakes';
import { randomBase32 } from '../../../shared/crypto';
import { startPostgresHarness } from '../../contract/postgres-harness';
import { tenantsAdminUrl } from '../../harness/servers';
import type { Attack } from '../attack';
import { attack, raw, requestsPath, type World } from './world';

export function reachAttacks(world: World): Attack[] {
  return [...guesses(world), ...reading(world), ...shown(world), ...database(world)];
}

function guesses(world: World): Attack[] {
  const { harness, attacker, victim } = world;
  const secret = harness.tokenOf(victim.request);
  const own = harness.tokenOf(attacker.request);
  const unmoved = async (tried: () => Promise<number[]>, allowed: number[]): Promise<string | null> => {
    const before = (await world.held(victim)).length;
    const statuses = await tried();
    if ((await world.held(victim)).length !== before) return 'it came into the victim’s inbox';
    const other = statuses.find((status) => !allowed.includes(status));
    return other === undefined ? null : `it was answered ${other}`;
  };
  const send = async (...paths: string[]) => {
    const statuses: number[] = [];
    for (const path of paths) statuses.push((await harness.sendTo(path, { body: 'x' })).status);
    return statuses;
  };
  const at = (token: string) => `/webhook/receive/${token}`;
  return [
    attack('tokens that nearly are one', () =>
      unmoved(
        () =>
          send(at(secret.toUpperCase()), at(secret.slice(0, -1)), at(`${secret}a`), at(`${secret.slice(0, -1)}%61`), at(`%20${secret}`)),
        [404],
      ),
    ),
    attack('the resource’s token, its id and its name as receive token', () =>
      unmoved(() => send(at(victim.token), at(victim.request.resourceId), at(victim.request.objectName)), [404]),
    ),
    attack('ways around in the path', () =>
      unmoved(
        () =>
          send(
            '/webhook/receive/',
            '/webhook/receive/..%2f..%2fetc%2fpasswd',
            '/webhook/receive/%2e%2e/%2e%2e/livez',
            `/webhook/receive/./${secret}`,
            `//webhook/receive/${secret}`,
            `/webhook/receive//${secret}`,
            `/webhook\\receive\\${secret}`,
            `/WEBHOOK/receive/${secret}`,
            `/webhook/receive/${secret}%00`,
            `/webhook/receive/${secret};a=b`,
          ),
        [404],
      ),
    ),
    attack('from one’s own inbox into the victim’s', () =>
      unmoved(() => send(`${at(own)}/../${secret}`, `${at(own)}/..%2f${secret}`, `${at(own)}?token=${secret}`), [200]),
    ),
    attack('SQL in path, query and headers', async () => {
      const sql = "'); DROP TABLE inboxes; --";
      const path = encodeURI(`/${sql}`);
      const answer = await harness.send(attacker.request, { path: `${path}?q=${path}`, headers: { 'x-note': sql, __proto__: 'x' } });
      const kept = (await world.held(attacker)).find(({ id }) => id === answer.body.id);
      if (kept?.headers['x-note'] !== sql) return `the header was kept as ${JSON.stringify(kept)}`;
      return (await harness.send(victim.request)).status === 200 ? null : 'the victim’s inbox takes nothing any more';
    }),
    attack('a second request smuggled behind the first', () =>
      unmoved(async () => {
        const smuggled = `POST ${at(secret)} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`;
        const both = `Transfer-Encoding: chunked\r\nContent-Length: ${smuggled.length + 5}`;
        const first = `POST ${at(own)} HTTP/1.1\r\nHost: x\r\n${both}\r\n\r\n0\r\n\r\n${smuggled}`;
        const { text } = await raw(harness.port, [first]);
        return [Number(text.slice(9, 12))];
      }, [400]),
    ),
    attack('guessing without end', async () => {
      const statuses = new Set<number>();
      // More than two minutes allow: one may end in between.
      for (let tries = 0; tries < 130; tries += 1) statuses.add((await harness.sendTo(at(randomBase32(40)))).status);
      const known = (await harness.send(attacker.request)).status;
      if (statuses.has(200)) return 'a guess was right';
      // Who guesses is told to wait; who knows, be it from the same address, is not.
      return statuses.has(429) && known === 200 ? null : `it was answered ${[...statuses]}, then ${known}`;
    }),
  ];
}

function reading(world: World): Attack[] {
  const { attacker, victim, harness } = world;
  const app = world.api();
  const victims = async () => (await world.held(victim))[0]?.id ?? '';
  const status = async (answer: Promise<request.Response>, ...allowed: number[]): Promise<string | null> => {
    const { status: given, body } = await answer;
    return allowed.includes(given) ? null : `it was answered ${given} ${JSON.stringify(body).slice(0, 200)}`;
  };
  const byId = `/api/v1/webhooks/${victim.request.resourceId}/requests`;
  return [
    attack('the victim’s list by its id', () => status(Promise.resolve(request(app).get(byId)), 401, 404)),
    attack('the victim’s list by its id, with one’s own token', () =>
      status(Promise.resolve(request(app).get(byId).set('x-resource-token', attacker.token)), 404),
    ),
    attack('a list by the receive token', () =>
      status(Promise.resolve(request(app).get(`/api/v1/webhooks/${harness.tokenOf(victim.request)}/requests`)), 401, 404),
    ),
    attack('the victim’s list as an operator', () =>
      status(Promise.resolve(request(app).get(byId).set('authorization', `Bearer ${OPERATOR_KEY}`)), 403),
    ),
    attack('the victim’s request out of one’s own inbox', async () =>
      status(Promise.resolve(request(app).get(`${requestsPath(attacker)}/${await victims()}`)), 404),
    ),
    attack('the victim’s request sent again out of one’s own inbox', async () =>
      status(
        Promise.resolve(
          request(app)
            .post(`${requestsPath(attacker)}/${await victims()}/replay`)
            .send({ url: `http://127.0.0.1:${world.canaryPort}/` }),
        ),
        404,
      ),
    ),
    attack('ids and cursors that are none', async () => {
      for (const path of ['/..%2f..%2f', "/' OR 1=1", '/%00', `?cursor=${Buffer.from('w*').toString('base64url')}`, '?cursor=a&cursor=b']) {
        const answer = await request(app).get(`${requestsPath(attacker)}${path}`);
        if (answer.status < 400 || answer.status >= 500) return `${path} was answered ${answer.status}`;
      }
      return null;
    }),
    attack('the victim’s stream with one’s own token', () =>
      status(Promise.resolve(request(app).get(byId).set('accept', 'text/event-stream').set('x-resource-token', attacker.token)), 404),
    ),
    attack('the victim’s signature check, switched off', () =>
      status(
        Promise.resolve(
          request(app)
            .patch(`/api/v1/webhooks/${victim.request.resourceId}`)
            .set('x-resource-token', attacker.token)
            .send({ signature: null }),
        ),
        404,
      ),
    ),
  ];
}

function shown(world: World): Attack[] {
  const { harness, attacker } = world;
  const script = '<script>alert(document.domain)</script>';
  const harmless = (headers: Record<string, unknown>): string | null => {
    if (!/^application\/json/.test(String(headers['content-type']))) return `it is shown as ${headers['content-type']}`;
    if (headers['x-content-type-options'] !== 'nosniff') return 'its type may be guessed';
    return String(headers['content-security-policy']).includes("default-src 'none'") ? null : 'a page may run scripts';
  };
  const store = async () => {
    const sent = { path: `/${encodeURI(script)}`, headers: { 'content-type': 'text/html', 'x-note': script }, body: script };
    return await harness.send(attacker.request, sent);
  };
  return [
    attack('a stored page, opened in a browser', async () => {
      const { body } = await store();
      const answer = await request(world.api())
        .get(`${requestsPath(attacker)}/${body.id}`)
        .set('accept', 'text/html,*/*');
      return answer.body.body === script ? harmless(answer.headers) : `it was kept as ${JSON.stringify(answer.body)}`;
    }),
    attack('a list of stored pages, opened in a browser', async () => {
      await store();
      return harmless((await request(world.api()).get(requestsPath(attacker)).set('accept', 'text/html,*/*')).headers);
    }),
    attack('the receiver’s own answer as a page', async () => {
      const stored = await store();
      const missing = await harness.sendTo(`/webhook/receive/${encodeURI(script)}`);
      if (`${stored.text}${missing.text}`.includes('<script>')) return 'what was sent is in the answer';
      return harmless(stored.headers) ?? harmless(missing.headers);
    }),
    attack('secrets in headers, read back', async () => {
      const secrets = {
        authorization: 'Bearer s3cr3t-a',
        'proxy-authorization': 'Basic s3cr3t-b',
        cookie: 'session=s3cr3t-c',
        'x-api-key': 's3cr3t-d',
        'X-Auth-Token': 's3cr3t-e',
        'X-Amz-Security-Token': 's3cr3t-f',
        'x-gitlab-token': 's3cr3t-g',
      };
      const { body } = await harness.send(attacker.request, { headers: secrets });
      const answer = await request(world.api()).get(`${requestsPath(attacker)}/${body.id}`);
      const rows = await harness.admin('SELECT headers::text FROM requests');
      if (answer.status !== 200) return `proves nothing: ${answer.status}`;
      return `${answer.text}${JSON.stringify(rows)}`.includes('s3cr3t') ? 'a secret was kept' : null;
    }),
    attack('tokens in the receiver’s log', async () => {
      const log = harness.logged.join('');
      if (log.length === 0) return 'proves nothing: the log is empty';
      return [attacker, world.victim].some(({ request: made }) => log.includes(harness.tokenOf(made))) ? 'a token is in the log' : null;
    }),
  ];
}

/** The inbox's database lies on the server that tenants' databases are on. */
function database(world: World): Attack[] {
  const inboxName = async () => (await world.harness.admin<{ name: string }>('SELECT current_database() AS name'))[0]?.name ?? '';
  const enters = async (url: URL): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url.href });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  return [
    attack('a tenant of Postgres in the inbox’s database', async () => {
      const databases = await startPostgresHarness();
      const tenant = databases.newRequest();
      await databases.backend.provision(tenant);
      try {
        const url = new URL(tenantsAdminUrl());
        const login = { username: `${tenant.objectName}_1`, password: databases.passwordOf(tenant.resourceId, 1) };
        if (!(await enters(Object.assign(url, { ...login, pathname: `/${tenant.objectName}` }))))
          return 'proves nothing: it is not let in at home';
        return (await enters(Object.assign(url, { pathname: `/${await inboxName()}` }))) ? 'it was let in' : null;
      } finally {
        await databases.backend.deprovision(tenant);
        await databases.close();
      }
    }),
    attack('the hash of a token, as a token', async () => {
      const rows = await world.harness.admin<{ token_hash: string }>('SELECT token_hash FROM inbox_tokens');
      if (rows.length === 0) return 'proves nothing: there are no tokens';
      for (const { token_hash } of rows) {
        const found = await world.harness.store.registry.find(token_hash);
        if (found !== null) return 'it opens an inbox';
      }
      return null;
    }),
  ];
}
