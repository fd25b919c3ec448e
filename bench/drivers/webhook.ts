import { CONNECT_MS, type Granted, type KindDriver, required } from './types';

async function call(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(CONNECT_MS) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${init.method ?? 'GET'} answered ${answer.status}: ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

const send = (granted: Granted, value: string) =>
  call(required(granted.receive_url, 'receive_url'), { method: 'POST', headers: { 'content-type': 'text/plain' }, body: value });

/** The inbox is read where the resource itself is: at the api, with the resource's token. */
async function lastStored(granted: Granted): Promise<string> {
  const requests = `${new URL(granted.resource_url).origin}/api/v1/webhooks/${granted.token}/requests`;
  const headers = { 'x-resource-token': granted.token };
  const { items } = (await call(requests, { headers })) as { items: { id: string }[] };
  const [last] = items;
  if (last === undefined) return '';
  const stored = await call(`${requests}/${last.id}`, { headers });
  const { body, body_base64 } = { ...stored, ...(stored.item as object | undefined) } as { body?: string; body_base64?: string };
  return body ?? Buffer.from(body_base64 ?? '', 'base64').toString('utf8');
}

export const webhookDriver: KindDriver = {
  kind: 'webhook',
  driver: 'fetch',
  async open(granted) {
    return {
      async ping() {
        await send(granted, 'ping');
      },
      async write(value) {
        await send(granted, value);
      },
      read: () => lastStored(granted),
      close: async () => undefined,
    };
  },
};
