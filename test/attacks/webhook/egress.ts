// Sending a stored request to where it has no business: the platform's own network, by every spelling and detour.
import { createServer, type Server } from 'node:http';
import type { Express } from 'express';
import type { Attack } from '../attack';
import { attack, listen, portOf, replay, type World } from './world';

const ADDRESSES = [
  '127.0.0.1',
  '127.0.0.53',
  '0.0.0.0',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0177.0.0.1',
  '127.1',
  '①②⑦.⓪.⓪.①',
  'localhost',
  'localhost.',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  '[fe80::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fec0::1]',
  '[ff02::1]',
  '[100::1]',
  '[5f00::1]',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '169.254.169.254',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
];

const URLS = [
  'file:///etc/passwd',
  'gopher://127.0.0.1:6379/_FLUSHALL',
  'ftp://example.com/x',
  'data:text/plain,x',
  'javascript:alert(1)',
  'http://user:password@example.com/',
  'http://',
  'http://%31%32%37.0.0.1/',
  '//127.0.0.1/',
];

const PORTS = [21, 22, 23, 25, 53, 110, 389, 445, 2375, 2379, 3306, 5432, 6379, 9200, 11211, 27017];

export function egressAttacks(world: World): Attack[] {
  const { canaryPort, canaryHits } = world;
  // An app for each: one takes thirty replays a minute.
  const anyPort = () => world.api();
  const byDefault = () => world.api({});
  const refused = async (app: Express, url: string): Promise<string | null> => {
    const before = canaryHits.length;
    const answer = await replay(app, world, url);
    if (canaryHits.length > before) return `${url} reached the inside`;
    if (answer.status !== 400) return `${url} was answered ${answer.status} ${JSON.stringify(answer.body)}`;
    return null;
  };
  return [
    ...ADDRESSES.map((host) => attack(`send to ${host}`, () => refused(anyPort(), `http://${host}:${canaryPort}/latest/meta-data`))),
    ...ADDRESSES.slice(0, 3).map((host) =>
      attack(`send to ${host} over https`, () => refused(anyPort(), `https://${host}:${canaryPort}/`)),
    ),
    ...URLS.map((url) => attack(`send to ${url}`, () => refused(byDefault(), url))),
    ...PORTS.map((port) => attack(`send to port ${port} of a public address`, () => refused(byDefault(), `http://93.184.215.14:${port}/`))),
    attack('a flood of replays', async () => {
      const app = world.api();
      const statuses: number[] = [];
      for (let tries = 0; tries < 35; tries += 1) statuses.push((await replay(app, world, `http://127.0.0.1:${canaryPort}/`)).status);
      return statuses.slice(30).every((status) => status === 429) ? null : `it was answered ${statuses.slice(30)}`;
    }),
    ...names(world, refused),
    ...redirects(world),
  ];
}

/** 192.0.2.0/24 stands for the public: nothing answers there. */
function names(world: World, refused: (app: Express, url: string) => Promise<string | null>): Attack[] {
  const { canaryPort, canaryHits } = world;
  const resolving = (answers: string[][]) => {
    let looks = 0;
    const resolve = async () => answers[Math.min(looks++, answers.length - 1)] ?? [];
    return { app: world.api({ ports: 'any', allowedCidrs: ['192.0.2.0/24'], resolve, timeoutMs: 250 }), looks: () => looks };
  };
  const url = `http://rebind.example:${canaryPort}/`;
  return [
    attack('a name of a private address', () => refused(resolving([['127.0.0.1']]).app, url)),
    attack('a name of a public and a private address', () => refused(resolving([['192.0.2.1', '127.0.0.1']]).app, url)),
    attack('a name of a public and a mapped private address', () => refused(resolving([['192.0.2.1', '::ffff:127.0.0.1']]).app, url)),
    attack('a name of no address', () => refused(resolving([[]]).app, url)),
    attack('a name whose answer is no address', () => refused(resolving([['localhost']]).app, url)),
    attack('a name that is public when it is checked and private when it is connected to', async () => {
      const { app, looks } = resolving([['192.0.2.1'], ['127.0.0.1']]);
      const before = canaryHits.length;
      const answer = await replay(app, world, url);
      if (canaryHits.length > before) return 'it reached the inside';
      if (answer.body.delivered !== false) return `it was answered ${JSON.stringify(answer.body)}`;
      return looks() === 1 ? null : `the name was looked up ${looks()} times for one connection`;
    }),
    attack('a name that changes its answer between many tries', async () => {
      const { app } = resolving([['192.0.2.1'], ['127.0.0.1'], ['192.0.2.1'], ['127.0.0.1']]);
      const before = canaryHits.length;
      for (let tries = 0; tries < 4; tries += 1) await replay(app, world, url);
      return canaryHits.length > before ? 'it reached the inside' : null;
    }),
  ];
}

/** The origin is at 127.0.0.2, which stands for the public; the canary at 127.0.0.1 does not. */
function redirects(world: World): Attack[] {
  const { canaryPort, canaryHits } = world;
  const inside = `127.0.0.1:${canaryPort}`;
  const targets: [name: string, status: number, location: string][] = [
    ['to loopback', 302, `http://${inside}/r`],
    ['to loopback, keeping method and body', 307, `http://${inside}/r`],
    ['to loopback by a number', 301, `http://2130706433:${canaryPort}/r`],
    ['to a mapped address', 308, `http://[::ffff:127.0.0.1]:${canaryPort}/r`],
    ['to localhost', 302, `http://localhost:${canaryPort}/r`],
    ['to a name of a private address', 302, `http://inside.example:${canaryPort}/r`],
    ['without a scheme', 302, `//${inside}/r`],
    ['to metadata', 302, 'http://169.254.169.254/latest'],
    ['to a file', 302, 'file:///etc/passwd'],
    ['with a password', 302, `http://a:b@${inside}/r`],
    ['to itself without end', 302, '/again'],
  ];
  return targets.map(([name, status, location]) =>
    attack(`redirect ${name}`, async () => {
      let hops = 0;
      const origin: Server = await listen(
        createServer((_incoming, response) => {
          hops += 1;
          response.writeHead(status, { location }).end();
        }),
        '127.0.0.2',
      );
      const app = world.api({ ports: 'any', allowedCidrs: ['127.0.0.2/32'], resolve: async () => ['127.0.0.1'] });
      const before = canaryHits.length;
      try {
        const answer = await replay(app, world, `http://127.0.0.2:${portOf(origin)}/`);
        if (canaryHits.length > before) return 'it reached the inside';
        if (hops === 0) return 'proves nothing: the origin was not asked';
        if (hops > 5) return `${hops} redirects were followed`;
        return answer.status === 400 ? null : `it was answered ${answer.status} ${JSON.stringify(answer.body)}`;
      } finally {
        origin.closeAllConnections();
        origin.close();
      }
    }),
  );
}
