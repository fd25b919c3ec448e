// The real OIDC provider of the tests: starts it, has people and machines sign in there, rotates its keys, takes it down.
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export const AUDIENCE = 'leasehold';
const CLIENT = { client_id: AUDIENCE, client_secret: 'only-of-this-test-0123456789abcdef' };
const MACHINE = { client_id: 'build-machine', client_secret: 'only-of-this-machine-0123456789abcdef' };
const CALLBACK = 'http://127.0.0.1:9/callback';

export type Account = { email?: string; email_verified?: boolean; name?: string };

export interface SigningKey {
  kid: string;
  alg: 'RS256' | 'ES256';
  privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  publicJwk: JWK;
  privateJwk: JWK;
}

export async function signingKey(kid: string, alg: SigningKey['alg'] = 'RS256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const common = { kid, alg, use: 'sig' };
  const [publicJwk, privateJwk] = await Promise.all([exportJWK(publicKey), exportJWK(privateKey)]);
  return { kid, alg, privateKey, publicJwk: { ...publicJwk, ...common }, privateJwk: { ...privateJwk, ...common } };
}

/** Signs whatever the test wants as the holder of this key. */
export async function signWith(key: SigningKey, claims: JWTPayload, header: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ iat: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })
    .sign(key.privateKey);
}

export interface RealProvider {
  issuer: string;
  /** The key it signs with, so that a test can sign what the provider never would. */
  key(): SigningKey;
  /** A person signs in by the authorization-code flow: their id token. */
  signIn(login: string): Promise<string>;
  /** A machine's access token (client credentials) for a resource server; `ours` is this installation. */
  machineToken(resource?: string): Promise<string>;
  machineSubject: string;
  rotate(key: SigningKey): Promise<void>;
  down(): Promise<void>;
  up(): Promise<void>;
  /** Requests since the last call, by path. */
  hits(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

export async function startProvider(accounts: Record<string, Account>): Promise<RealProvider> {
  let key = await signingKey('first');
  const clients = [
    { ...CLIENT, redirect_uris: [CALLBACK], grant_types: ['authorization_code'], response_types: ['code'] },
    { ...MACHINE, redirect_uris: [], grant_types: ['client_credentials'], response_types: [] },
  ];
  const settings = JSON.stringify({ clients, accounts, jwks: { keys: [key.privateJwk] }, audience: AUDIENCE });
  const child = fork(join(__dirname, 'provider-process.mjs'), {
    env: { ...process.env, OIDC_PROVIDER: settings },
    stdio: 'ignore',
    execArgv: [],
  });
  const issuer = await readyIssuer(child);
  const tell = askOver(child);
  return {
    issuer,
    key: () => key,
    signIn: (login) => signIn(issuer, login),
    machineToken: (resource = 'ours') => machineToken(issuer, resource),
    machineSubject: MACHINE.client_id,
    async rotate(next) {
      key = next;
      await tell('keys', { jwks: { keys: [next.privateJwk] } });
    },
    down: () => tell('down'),
    up: () => tell('up'),
    hits: () => tell('hits'),
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await ended;
    },
  };
}

function readyIssuer(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the OIDC provider ended with ${code}`)));
    child.once('message', (message) => resolve((message as { ready: string }).ready));
  });
}

function askOver(child: ChildProcess): <T>(type: string, rest?: object) => Promise<T> {
  let last = 0;
  return (type, rest = {}) => {
    last += 1;
    const id = last;
    return new Promise((resolve) => {
      const listen = (message: unknown) => {
        const answer = message as { id: number; result: never };
        if (answer.id !== id) return;
        child.off('message', listen);
        resolve(answer.result);
      };
      child.on('message', listen);
      child.send({ id, type, ...rest });
    });
  };
}

/** What a browser does: follows redirects with its cookies, and submits the provider's own forms. */
async function signIn(issuer: string, login: string): Promise<string> {
  const cookies = new Map<string, string>();
  const visit = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const response = await fetch(url, {
      method: form === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      body: form === undefined ? undefined : new URLSearchParams(form),
    });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s);
      cookies.set(name, value);
    }
    return response;
  };
  const wanted = new URLSearchParams({
    client_id: CLIENT.client_id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid email profile',
  });
  let response = await visit(`${issuer}/auth?${wanted}`);
  for (let step = 0; step < 12; step += 1) {
    const location = response.headers.get('location');
    if (location?.startsWith(CALLBACK)) return await idTokenOf(issuer, new URL(location).searchParams.get('code') ?? '');
    if (location !== null) {
      response = await visit(new URL(location, issuer).href);
      continue;
    }
    const page = await response.text();
    const action = /action="([^"]+)"/.exec(page)?.[1];
    const prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1];
    if (action === undefined || prompt === undefined)
      throw new Error(`the provider shows no form: ${response.status} ${page.slice(0, 300)}`);
    response = await visit(new URL(action, issuer).href, prompt === 'login' ? { prompt, login, password: 'any' } : { prompt });
  }
  throw new Error('the provider never ends its sign-in');
}

async function tokenCall(issuer: string, client: { client_id: string; client_secret: string }, form: Record<string, string>) {
  const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams(form),
  });
  const body = (await response.json()) as Record<string, string>;
  if (response.status !== 200) throw new Error(`the provider gives no token: ${JSON.stringify(body)}`);
  return body;
}

async function idTokenOf(issuer: string, code: string): Promise<string> {
  const body = await tokenCall(issuer, CLIENT, { grant_type: 'authorization_code', code, redirect_uri: CALLBACK });
  return body.id_token ?? '';
}

async function machineToken(issuer: string, resource: string): Promise<string> {
  const form = { grant_type: 'client_credentials', scope: 'api', resource: `https://resources.test/${resource}` };
  return (await tokenCall(issuer, MACHINE, form)).access_token ?? '';
}
