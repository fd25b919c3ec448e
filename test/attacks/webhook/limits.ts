// Over each limit: bodies, headers, slowness, how often, how much.
import { createHmac, randomBytes } from 'node:crypto';
import type { Attack } from '../attack';
import { attack, REQUESTS_PER_MINUTE, raw, type Tenant, type World } from './world';

const MIB = 1_048_576;

export function limitAttacks(world: World): Attack[] {
  return [...sizes(world), ...slowness(world), ...amounts(world), ...signatures(world)];
}

function sizes(world: World): Attack[] {
  const { harness, attacker } = world;
  const nothingKept = async (tenant: Tenant, tried: () => Promise<string | null>): Promise<string | null> => {
    const before = (await world.held(tenant)).length;
    const breached = await tried();
    return breached ?? ((await world.held(tenant)).length === before ? null : 'it was stored');
  };
  const at = `/webhook/receive/${harness.tokenOf(attacker.request)}`;
  return [
    attack('a body of one byte too many', () =>
      nothingKept(attacker, async () => {
        const { status } = await harness.send(attacker.request, { body: Buffer.alloc(MIB + 1) });
        return status === 413 ? null : `it was answered ${status}`;
      }),
    ),
    attack('a body without a length that does not end', () =>
      nothingKept(attacker, async () => {
        const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536), Buffer.from('\r\n')]);
        const head = `POST ${at} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
        const { text } = await raw(harness.port, [head, ...Array.from({ length: 40 }, () => chunk)]);
        return text.startsWith('HTTP/1.1 413') ? null : `it was answered ${JSON.stringify(text.slice(0, 60))}`;
      }),
    ),
    attack('a length that is a lie', () =>
      nothingKept(attacker, async () => {
        const { text, closedAfterMs } = await raw(harness.port, [`POST ${at} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nshort`]);
        return closedAfterMs !== null && !text.includes(' 200 ') ? null : 'it was waited for';
      }),
    ),
    attack('headers of more than 16 KiB', () =>
      nothingKept(attacker, async () => {
        const { text } = await raw(harness.port, [`GET ${at} HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`]);
        return text.startsWith('HTTP/1.1 400') ? null : `it was answered ${JSON.stringify(text.slice(0, 60))}`;
      }),
    ),
    attack('a path without end', () =>
      nothingKept(attacker, async () => {
        const { status } = await harness.send(attacker.request, { path: `/${'x'.repeat(5_000)}` });
        return status === 404 ? null : `it was answered ${status}`;
      }),
    ),
  ];
}

function slowness({ harness, attacker }: World): Attack[] {
  const at = `/webhook/receive/${harness.tokenOf(attacker.request)}`;
  const cutOff = async (pieces: (string | number)[]): Promise<string | null> => {
    const { closedAfterMs, text } = await raw(harness.port, pieces, 40_000);
    if (text.includes(' 200 ')) return 'it was taken';
    return closedAfterMs === null ? 'it was waited for without end' : null;
  };
  const drip = (byte: string): (string | number)[] => Array.from({ length: 200 }, () => [byte, 100]).flat();
  return [
    attack('headers, a byte at a time', () => cutOff([`POST ${at} HTTP/1.1\r\nHost: x\r\nX-Slow: `, ...drip('x')])),
    attack('a body, a byte at a time', () => cutOff([`POST ${at} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n`, ...drip('x')])),
    attack('a connection that says nothing', () => cutOff([20_000])),
  ];
}

function amounts(world: World): Attack[] {
  const { harness, victim } = world;
  return [
    attack('more requests in a minute than an inbox takes', async () => {
      const tenant = await world.tenant();
      const statuses = new Map<number, number>();
      for (let sent = 0; sent < REQUESTS_PER_MINUTE + 20; sent += 20) {
        const answers = await Promise.all(Array.from({ length: 20 }, () => harness.send(tenant.request)));
        for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      const told = JSON.stringify([...statuses]);
      if ((statuses.get(200) ?? 0) > REQUESTS_PER_MINUTE) return told;
      return (statuses.get(429) ?? 0) >= 20 ? null : `proves nothing: ${told}`;
    }),
    attack('pushing out what others hold', async () => {
      const kept = (await harness.send(victim.request, { body: 'to be kept' })).body.id ?? '';
      const tenant = await world.tenant();
      let rotated = 0;
      for (let sent = 0; sent < 110; sent += 1) {
        if ((await harness.send(tenant.request)).headers['x-webhook-rotated'] === 'true') rotated += 1;
      }
      const own = (await world.held(tenant)).length;
      if (own > 100) return `the ring of 100 holds ${own}`;
      if (rotated !== 10) return `the oldest fell out ${rotated} times, and nobody was told of the rest`;
      return (await harness.store.get(victim.request.objectName, kept)) === null ? 'the victim’s request is gone' : null;
    }),
    attack('more bytes than an inbox holds', async () => {
      const tenant = await world.tenant();
      const body = randomBytes(MIB);
      for (let sent = 0; sent < 12; sent += 1) await harness.send(tenant.request, { body });
      const measured = await harness.backend.measureAll('test');
      const bytes = measured.find(({ objectName }) => objectName === tenant.request.objectName)?.bytes ?? 0;
      if (bytes < 6 * MIB) return `proves nothing: ${bytes}`;
      return bytes <= 8 * MIB + 1_024 ? null : `${bytes} bytes are stored`;
    }),
    attack('more bytes in a minute than an inbox takes', async () => {
      const tenant = await world.tenant();
      const body = Buffer.alloc(MIB);
      const send = async () => (await harness.send(tenant.request, { body })).status;
      let statuses: number[] = [];
      // What two minutes allow and more: on a busy machine the first may be over before it is used up.
      for (let sent = 0; sent < 136 && !statuses.includes(429); sent += 8) statuses = await Promise.all(Array.from({ length: 8 }, send));
      return statuses.includes(429) ? null : `the last were answered ${statuses}`;
    }),
  ];
}

function signatures(world: World): Attack[] {
  const { harness } = world;
  return [
    attack('unsigned and wrongly signed, where a signature is checked', async () => {
      const tenant = await world.tenant();
      const rule = { header: 'x-hub-signature-256', prefix: 'sha256=', encoding: 'hex' as const };
      const token = harness.tokenOf(tenant.request);
      await harness.store.registry.setSignature(tenant.request.objectName, {
        rule,
        secret: 'the right one',
        tokens: [{ version: 1, token }],
      });
      const signed = (secret: string) => ({ 'x-hub-signature-256': `sha256=${hmac(secret, 'body')}` });
      const right = (await harness.send(tenant.request, { body: 'body', headers: signed('the right one') })).status;
      if (right !== 200) return `proves nothing: the right one was answered ${right}`;
      for (const headers of [{}, signed('a wrong one'), { 'x-hub-signature-256': 'sha256=' }, { 'x-hub-signature-256': '' }]) {
        const { status } = await harness.send(tenant.request, { body: 'body', headers });
        if (status !== 403) return `${JSON.stringify(headers)} was answered ${status}`;
      }
      const changed = await harness.send(tenant.request, { body: 'another body', headers: signed('the right one') });
      if (changed.status !== 403) return `another body was answered ${changed.status}`;
      const stored = await harness.admin<{ row: string }>(
        'SELECT inbox_tokens::text || inboxes::text AS row FROM inbox_tokens JOIN inboxes USING (object_name)',
      );
      return JSON.stringify(stored).includes('the right one') ? 'the secret lies open in the database' : null;
    }),
  ];
}

function hmac(secret: string, body: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}
