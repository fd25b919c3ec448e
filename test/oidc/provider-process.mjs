// A real OIDC provider (the library `oidc-provider`) as a process of its own: jest's CommonJS runtime cannot load it.
// It is told what to do over IPC: {type: 'keys', jwks} makes it sign with other keys, {type: 'down'} hang up on everybody, until 'up'.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { port: wantedPort, clients, accounts, jwks: firstKeys, audience } = JSON.parse(process.env.OIDC_PROVIDER ?? '{}');
let issuer = '';
let handle;
let hits = {};
let port = wantedPort ?? 0;
let server;
let isDown = false;

function configure(jwks) {
  const provider = new Provider(issuer, {
    clients,
    jwks,
    cookies: { keys: ['only of this test'] },
    pkce: { required: () => false },
    // The address belongs into the id token, as most issuers do it.
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...(accounts[id] ?? {}) }) }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => {
          const of = resource.split('/').pop();
          return {
            scope: 'api',
            audience: of === 'ours' ? audience : of,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: jwks.keys[0].alg } },
          };
        },
      },
    },
  });
  handle = provider.callback();
}

async function listen() {
  server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    hits[path] = (hits[path] ?? 0) + 1;
    handle(request, response);
  });
  server.on('connection', (socket) => {
    if (isDown) socket.destroy();
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  port = server.address().port;
  issuer = `http://127.0.0.1:${port}`;
}

const answers = {
  async keys({ jwks }) {
    configure(jwks);
  },
  // It keeps its port: another process might have got it by the time it is up again.
  async down() {
    isDown = true;
    server.closeAllConnections();
  },
  async up() {
    isDown = false;
  },
  async hits() {
    const seen = hits;
    hits = {};
    return seen;
  },
};

process.on('message', async ({ id, type, ...rest }) => process.send({ id, result: await answers[type](rest) }));
process.on('disconnect', () => process.exit(0));
await listen();
configure(firstKeys);
process.send({ ready: issuer });
