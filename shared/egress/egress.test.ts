// What may be called, and that a call goes to the address that was checked.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEgress, EgressFailed, EgressRefused, isCallable } from './index';

describe('addresses', () => {
  it.each(['93.184.215.14', '1.1.1.1', '100.63.255.255', '100.128.0.1', '172.15.255.255', '172.32.0.1', '2606:4700::1111', '2a00:1450::1'])(
    '%s is public',
    (address) => expect(isCallable(address)).toBe(true),
  );

  it.each([
    '127.0.0.1',
    '10.1.1.1',
    '0x7f.1',
    '1',
    '',
    'example.com',
    '::ffff:1.1.1.1',
    '64:ff9b::101:101',
    '2002:101:101::',
    '4000::1',
    'fe80::1%eth0',
    '192.88.99.1',
  ])('%j is not', (address) => expect(isCallable(address)).toBe(false));
});

describe('a call', () => {
  let server: Server;
  let seen: { incoming: IncomingMessage; body: string }[] = [];
  let answer: (incoming: IncomingMessage, response: ServerResponse) => void;

  beforeAll(async () => {
    server = createServer(async (incoming, response) => {
      let body = '';
      for await (const chunk of incoming) body += chunk;
      seen.push({ incoming, body });
      answer(incoming, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());

  const port = () => (server.address() as AddressInfo).port;
  const egress = (options = {}) =>
    createEgress({ allowedCidrs: ['127.0.0.1/32'], ports: 'any', resolve: async () => ['127.0.0.1'], timeoutMs: 400, ...options });
  const send = (path: string, options = {}, request = {}) =>
    egress(options).send({
      url: `http://hooks.example:${port()}${path}`,
      method: 'POST',
      headers: {},
      body: Buffer.from('sent'),
      ...request,
    });

  it('arrives with method, body and headers, under the name that was asked for', async () => {
    seen = [];
    answer = (_incoming, response) => void response.writeHead(201, { 'content-type': 'text/plain' }).end('x');
    const headers = {
      'x-kept': 'yes',
      host: 'other',
      'transfer-encoding': 'chunked',
      'content-length': '9999',
      'bad header': 'x',
      'x-bad': 'a\nb',
    };
    expect(await send('/a?b=c', {}, { method: 'PUT', headers })).toMatchObject({ status: 201, contentType: 'text/plain', redirects: 0 });
    const [arrived] = seen;
    expect(arrived).toMatchObject({ body: 'sent', incoming: { method: 'PUT', url: '/a?b=c' } });
    expect(arrived?.incoming.headers).toEqual({
      'x-kept': 'yes',
      host: `hooks.example:${port()}`,
      'content-length': '4',
      connection: 'close',
    });
  });

  it('follows redirects as browsers do: 303 without the body, 307 with it', async () => {
    seen = [];
    answer = (incoming, response) => {
      const to = { '/303': 303, '/307': 307 }[incoming.url ?? ''];
      if (to === undefined) response.end();
      else response.writeHead(to, { location: '/there' }).end();
    };
    expect(await send('/303')).toMatchObject({ status: 200, redirects: 1 });
    expect(await send('/307')).toMatchObject({ status: 200, redirects: 1 });
    expect(seen.map(({ incoming, body }) => `${incoming.method} ${incoming.url} ${body}`)).toEqual([
      'POST /303 sent',
      'GET /there ',
      'POST /307 sent',
      'POST /there sent',
    ]);
  });

  it('is over in time, whatever the other side does', async () => {
    answer = () => undefined;
    await expect(send('/never')).rejects.toThrow(EgressFailed);
    await expect(send('/', { resolve: () => new Promise(() => undefined) })).rejects.toThrow(EgressFailed);
  });

  it('says that nobody answers', async () => {
    await expect(egress().send({ url: 'http://hooks.example:1/', method: 'GET', headers: {} })).rejects.toThrow('ECONNREFUSED');
  });

  it('goes nowhere by a method that is none, or to a port that is not for it', async () => {
    await expect(send('/', {}, { method: 'CONNECT' })).rejects.toThrow(EgressRefused);
    await expect(send('/', {}, { method: 'GET / HTTP/1.1\r\nX: y' })).rejects.toThrow(EgressRefused);
    await expect(send('/', { ports: undefined })).rejects.toThrow(EgressRefused);
  });

  it('refuses to be set up with a range that is none', () => {
    expect(() => createEgress({ allowedCidrs: ['127.0.0.1'] })).toThrow('127.0.0.1 is not a CIDR range');
  });
});
