// Tokens that are not what they say: each is tried as a bearer and for a session, on the real api, with two real OIDC providers.
import { base64url, type JWTPayload, SignJWT } from 'jose';
import request from 'supertest';
import { issueSession } from '../../../api/identity/session';
import { AUDIENCE, type RealProvider, signingKey, signWith, startProvider } from '../../oidc/provider';
import { openSignInWorld, type SignInWorld } from '../../oidc/world';
import type { Attack, AttackSuite } from '../attack';

interface Stage {
  world: SignInWorld;
  /** Trusted too, and not the victim's. */
  other: RealProvider;
}

type MakeToken = (stage: Stage, victim: JWTPayload) => Promise<string>;

const seconds = () => Math.floor(Date.now() / 1000);
const encode = (part: object) => base64url.encode(JSON.stringify(part));
const asIssuer = ({ world }: Stage, claims: JWTPayload, header = {}) => signWith(world.provider.key(), claims, header);
const hmac = (claims: JWTPayload, secret: string, kid: string) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid }).sign(new TextEncoder().encode(secret));

const FORGED: Readonly<Record<string, MakeToken>> = {
  'an issuer that nobody trusts': async (_stage, victim) => signWith(await signingKey('first'), { ...victim, iss: 'https://evil.example' }),
  'the issuer’s name, a key of one’s own': async (_stage, victim) => signWith(await signingKey('first'), victim),
  'the issuer’s name, a key in the header': async (_stage, victim) => {
    const own = await signingKey('own');
    return await signWith(own, victim, { jwk: own.publicJwk });
  },
  'the issuer’s name, signed by another trusted issuer': ({ other }, victim) => signWith({ ...other.key(), kid: 'second' }, victim),
  'the issuer’s name, another’s key under its key id': ({ other }, victim) => signWith({ ...other.key(), kid: 'first' }, victim),
  'alg none': async (_stage, victim) => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(victim)}.AA`,
  'alg None, in another case': async (_stage, victim) => `${encode({ alg: 'NoNe', kid: 'first' })}.${encode(victim)}.AA`,
  'HS256 with the public key as the secret': ({ world }, victim) => hmac(victim, JSON.stringify(world.provider.key().publicJwk), 'first'),
  'HS256 with the modulus as the secret': ({ world }, victim) => hmac(victim, String(world.provider.key().publicJwk.n), 'first'),
  'another audience': (stage, victim) => asIssuer(stage, { ...victim, aud: 'another' }),
  'no audience': (stage, victim) => asIssuer(stage, { ...victim, aud: undefined }),
  'our session audience': (stage, victim) => asIssuer(stage, { ...victim, aud: 'leasehold-session' }),
  'for another resource, from the provider itself': ({ world }) => world.provider.machineToken('theirs'),
  expired: (stage, victim) => asIssuer(stage, { ...victim, iat: seconds() - 900, exp: seconds() - 120 }),
  'not yet good': (stage, victim) => asIssuer(stage, { ...victim, nbf: seconds() + 900 }),
  'without an end': (stage, victim) => asIssuer(stage, { ...victim, exp: undefined }),
  'without a subject': (stage, victim) => asIssuer(stage, { ...victim, sub: undefined }),
  'a logout token': (stage, victim) => asIssuer(stage, victim, { typ: 'logout+jwt' }),
  'bound to a key that was not shown': (stage, victim) => asIssuer(stage, { ...victim, cnf: { jkt: 'thumbprint' } }),
  'an extension that must be understood': async (stage, victim) => {
    const [, claims, signature] = (await asIssuer(stage, victim)).split('.');
    return `${encode({ alg: 'RS256', kid: 'first', crit: ['exp'], exp: 1 })}.${claims}.${signature}`;
  },
  'another subject in a good token': async (stage, victim) => {
    const [header, , signature] = (await stage.world.provider.signIn('bob')).split('.');
    return `${header}.${encode(victim)}.${signature}`;
  },
  'our session key under the issuer’s name': ({ world }, { sub, ...victim }) =>
    world.deps.jwt.sign(victim, { subject: sub, audience: AUDIENCE, expiresInSeconds: 60 }),
  'the issuer’s key in the form of our sessions': (stage, victim) =>
    asIssuer(stage, { ...victim, iss: undefined, aud: 'leasehold-session', jti: '0190b7a0-0000-7000-8000-000000000000' }, { kid: 'k1' }),
};

async function triedWith({ world }: Stage, token: string): Promise<'refused' | { breached: string }> {
  const bearer = await request(world.app).get('/api/v1/whoami').set('authorization', `Bearer ${token}`);
  if (bearer.status !== 401) return { breached: `as a bearer: ${bearer.status}` };
  const exchange = await request(world.app).post('/auth/exchange').send({ id_token: token });
  return exchange.status === 401 ? 'refused' : { breached: `for a session: ${exchange.status}` };
}

function forgeries(stage: Stage): Attack[] {
  return Object.entries(FORGED).map(([name, make]) => ({
    name,
    async run() {
      const { issuer } = stage.world.provider;
      const good = { iss: issuer, aud: AUDIENCE, sub: 'alice', email: 'alice@example.com', email_verified: true };
      // The same stage lets the true one in, or a refusal would say nothing.
      const control = await request(stage.world.app)
        .post('/auth/exchange')
        .send({ id_token: await asIssuer(stage, good) });
      if (control.status !== 200) return { breached: `proves nothing: a good token answers ${control.status}` };
      return await triedWith(stage, await make(stage, { iat: seconds(), exp: seconds() + 60, ...good }));
    },
  }));
}

function takeovers(stage: Stage): Attack[] {
  const { world, other } = stage;
  const exchanged = async (token: string) => (await request(world.app).post('/auth/exchange').send({ id_token: token })).body;
  const otherToken = (claims: JWTPayload) => signWith(other.key(), { iss: other.issuer, aud: AUDIENCE, ...claims });
  return [
    {
      name: 'the victim’s subject at another issuer',
      async run() {
        const victim = await exchanged(await world.provider.signIn('alice'));
        const attacker = await exchanged(await otherToken({ sub: 'alice', email: 'evil@example.com', email_verified: true }));
        if (attacker.user_id === undefined) return { breached: 'proves nothing: the other issuer signs nobody in' };
        return attacker.user_id === victim.user_id ? { breached: 'is the victim' } : 'refused';
      },
    },
    {
      name: 'the victim’s address, unverified',
      async run() {
        const victim = await exchanged(await world.provider.signIn('alice'));
        const attacker = await exchanged(await otherToken({ sub: 'evil', email: 'alice@example.com', email_verified: false }));
        if (attacker.user_id === undefined) return { breached: 'proves nothing: nobody is signed in' };
        return attacker.user_id === victim.user_id ? { breached: 'is the victim' } : 'refused';
      },
    },
    {
      name: 'an account made ahead with the victim’s address',
      async run() {
        const trap = await world.identity.createTeamWithOwner({
          email: 'bob@example.com',
          emailVerified: false,
          teamName: 'trap',
          tier: 'free',
        });
        const bob = await exchanged(await world.provider.signIn('bob'));
        if (bob.user_id === undefined) return { breached: 'proves nothing: the victim cannot sign in' };
        return bob.user_id === trap.userId ? { breached: 'the victim walked into it' } : 'refused';
      },
    },
    {
      name: 'the victim’s subject bound as a service account',
      async run() {
        const evil = await world.identity.createTeamWithOwner({
          email: 'b@example.com',
          emailVerified: true,
          teamName: 'evil',
          tier: 'pro',
        });
        const { token } = await issueSession(world.deps, evil);
        const bound = await request(world.app)
          .post('/api/v1/auth/service-accounts')
          .set('authorization', `Bearer ${token}`)
          .send({ name: 'trap', issuer: world.provider.issuer, subject: 'carol', role: 'member', scopes: ['write'] });
        const idToken = await asIssuer(stage, { iss: world.provider.issuer, aud: AUDIENCE, sub: 'carol', email: 'carol@example.com' });
        const whoami = await request(world.app).get('/api/v1/whoami').set('authorization', `Bearer ${idToken}`);
        if (bound.status !== 201 || whoami.status !== 200) return { breached: 'proves nothing: not bound, or not let in' };
        return whoami.body.team_id === evil.teamId ? { breached: 'the victim acts for the attacker’s team' } : 'refused';
      },
    },
    {
      name: 'an id token again, after its person has left every team',
      async run() {
        const idToken = await asIssuer(stage, { iss: world.provider.issuer, aud: AUDIENCE, sub: 'gone', email: 'gone@example.com' });
        const { user_id } = await exchanged(idToken);
        if (user_id === undefined) return { breached: 'proves nothing: it was never good' };
        await world.database.pool.query('DELETE FROM memberships WHERE user_id = $1', [user_id]);
        return await triedWith(stage, idToken);
      },
    },
    {
      name: 'the link of a command line’s sign-in, to pick up its key',
      async run() {
        const { body } = await request(world.app).post('/auth/cli').send({});
        const approval = String(body.auth_url).split('/').at(-2);
        const idToken = await world.provider.signIn('alice');
        const done = await request(world.app).post(`/auth/cli/${approval}/complete`).set('authorization', `Bearer ${idToken}`).send({});
        const stolen = await request(world.app).get(`/auth/cli/${approval}`);
        const own = await request(world.app).get(`/auth/cli/${body.session_id}`);
        if (done.status !== 200 || own.status !== 200) return { breached: 'proves nothing: the sign-in does not work' };
        return stolen.status === 404 ? 'refused' : { breached: `answered ${stolen.status}` };
      },
    },
  ];
}

export const signInAttacks: AttackSuite = {
  kind: 'api: signing in',
  async open() {
    const other = await startProvider({});
    await other.rotate(await signingKey('second'));
    const trusted = { issuer: other.issuer, audiences: [AUDIENCE], jwksUri: null, teamClaim: null, trustEmail: true };
    const world = await openSignInWorld({ others: [trusted] });
    const stage = { world, other };
    return {
      attacks: [...forgeries(stage), ...takeovers(stage)],
      async close() {
        await Promise.all([world.close(), other.close()]);
      },
    };
  },
};
