// Two inboxes behind the real receiver, and the real api over them; a canary on loopback that nobody may reach.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Express } from 'express';
import request from 'supertest';
import type { ProvisionRequest } from '../../../activities/backend';
import type { ApiDeps } from '../../../api/deps';
import { aRow, FakeStore, fakeApp, keyring, plans } from '../../../api/testing/fakes';
import { hashToken } from '../../../shared/crypto';
import { createEgress, type EgressOptions } from '../../../shared/egress';
import { startWebhookHarness, type WebhookHarness } from '../../contract/webhook-harness';
import type { Attack } from '../attack';

export interface Tenant {
  request: ProvisionRequest;
  /** The credential on its own routes. */
  token: string;
}

export interface World {
  harness: WebhookHarness;
  attacker: Tenant;
  victim: Tenant;
  rows: FakeStore;
  /** What reached the canary, by path. */
  canaryHits: string[];
  canaryPort: number;
  api(egress?: EgressOptions, onAnswer?: ApiDeps['onAnswer']): Express;
  /** What an inbox holds, newest first, read behind the api's back. */
  held(tenant: Tenant): Promise<{ id: string; path: string; query: string; headers: Record<string, string> }[]>;
  tenant(): Promise<Tenant>;
  close(): Promise<void>;
}

/** As `findWithCredential` of the real store: the password is the receive token. */
class Rows extends FakeStore {
  tokenOf: (resourceId: string) => string = () => '';

  override async findWithCredential(id: string) {
    const found = await super.findWithCredential(id);
    if (found === undefined || found === null) return null;
    const password_encrypted = keyring.encrypt(this.tokenOf(id), `credential:${id}:${found.credential.version}`);
    return { ...found, credential: { ...found.credential, password_encrypted } };
  }
}

export const REQUESTS_PER_MINUTE = 400;

/** So short that an attack by slowness ends soon, and longer than an honest request of the attacks takes on a busy machine. */
const IMPATIENT = { headersMs: 3_000, requestMs: 6_000, checkEveryMs: 100 };

export async function openWorld(timeouts: Partial<typeof IMPATIENT> = IMPATIENT): Promise<World> {
  const harness = await startWebhookHarness({ receiver: { requestsPerMinute: REQUESTS_PER_MINUTE, timeouts } });
  const rows = new Rows();
  rows.tokenOf = (resourceId) => harness.tokenOf({ resourceId });
  const canaryHits: string[] = [];
  const canary = await listen(
    createServer((incoming, response) => {
      canaryHits.push(incoming.url ?? '');
      response.end('internal');
    }),
    '127.0.0.1',
  );
  const tenant = async (): Promise<Tenant> => {
    const made = harness.newRequest();
    await harness.backend.provision(made);
    const token = `${made.resourceId.slice(0, 24)}${Math.random().toString(16).slice(2, 14).padEnd(12, '0')}`;
    const { resourceId: id, objectName: object_name } = made;
    const token_encrypted = keyring.encrypt(token, `token:${id}`);
    rows.rows.push(aRow({ id, kind: 'webhook', object_name, token_hash: hashToken(token), token_encrypted }));
    return { request: made, token };
  };
  const [attacker, victim] = [await tenant(), await tenant()];
  return {
    harness,
    attacker,
    victim,
    rows,
    canaryHits,
    canaryPort: portOf(canary),
    api: (egress = { ports: 'any' }, onAnswer) =>
      fakeApp({
        store: rows,
        inbox: harness.store,
        egress: createEgress({ timeoutMs: 15_000, ...egress }),
        // The product's own where it is what refuses, and none in the way of the other attacks.
        figure: (name) => (name === 'webhook_replays' ? plans.rates[name] : { limit: 1_000_000, windowSeconds: 60 }),
        onAnswer,
      }).app,
    held: ({ request: { objectName } }) => harness.store.list(objectName, { before: null, limit: 200 }),
    tenant,
    async close() {
      canary.closeAllConnections();
      canary.close();
      await harness.close();
    },
  };
}

export async function listen(server: Server, host: string): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

export const requestsPath = ({ token }: Tenant): string => `/api/v1/webhooks/${token}/requests`;

/** Sends the attacker's own stored request to `url`. */
export async function replay(app: Express, world: World, url: string): Promise<request.Response> {
  let [stored] = await world.held(world.attacker);
  if (stored === undefined) {
    await world.harness.send(world.attacker.request, { body: 'to be sent again' });
    [stored] = await world.held(world.attacker);
  }
  return await request(app)
    .post(`${requestsPath(world.attacker)}/${stored?.id}/replay`)
    .send({ url });
}

/** Bytes as they stand, and everything that came back until the receiver closed or `waitMs` passed. */
export function raw(
  port: number,
  pieces: (string | Buffer | number)[],
  waitMs = 30_000,
): Promise<{ text: string; closedAfterMs: number | null }> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const socket = connect({ host: '127.0.0.1', port });
    let text = '';
    let over = false;
    const finish = (closed: boolean) => {
      if (over) return;
      over = true;
      socket.destroy();
      resolve({ text, closedAfterMs: closed ? performance.now() - startedAt : null });
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.once('close', () => finish(true));
    setTimeout(() => finish(false), waitMs).unref();
    socket.once('connect', async () => {
      for (const piece of pieces) {
        if (over) return;
        if (typeof piece === 'number') await new Promise((wake) => setTimeout(wake, piece).unref());
        else socket.write(piece);
      }
    });
  });
}

/** An attack that is breached where `tried` says how. */
export function attack(name: string, tried: () => Promise<string | null>): Attack {
  return {
    name,
    async run() {
      const breached = await tried();
      return breached === null ? 'refused' : { breached };
    },
  };
}
