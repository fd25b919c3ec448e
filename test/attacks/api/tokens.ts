// Session tokens that are forged, altered, old, meant for something else or taken back.
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { SESSION_AUDIENCE } from '../../../api/identity/session';
import { JwtSigner } from '../../../shared/crypto';
import { signer } from '../../harness/api-world';
import type { Attack } from '../attack';
import { attack, firstBreach, refusal, type Stage } from './attempt';

const HOUR_MS = 3_600_000;
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));

interface Parts {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  signature: string;
}

function split(token: string): Parts {
  const [header = '', claims = '', signature = ''] = token.split('.');
  return { header: decode(header), claims: decode(claims), signature };
}

const joined = ({ header, claims, signature }: Parts): string => `${encode(header)}.${encode(claims)}.${signature}`;

/** Tries the token where nothing changes and where something would. */
function opensNothing({ world }: Stage, token: () => Promise<string>, options: { errorCode?: string; audited?: boolean } = {}) {
  return async () => {
    const bearer = await token();
    const expected = { statuses: [401], ...options };
    return await firstBreach([
      () => refusal(world, { route: '/auth/me', bearer }, expected),
      () => refusal(world, { route: 'POST /db/new', bearer, body: { name: 'stolen' } }, expected),
      () => refusal(world, { route: '/api/v1/resources', bearer }, expected),
    ]);
  };
}

export function tokenAttacks(stage: Stage): Attack[] {
  return [...alteredTokens(stage), ...signedTokens(stage), ...endedSessions(stage), ...malformed(stage)];
}

function alteredTokens(stage: Stage): Attack[] {
  const { world, attacker, victim } = stage;
  const altered = (name: string, change: (parts: Parts) => string) =>
    attack(
      `session token: ${name}`,
      opensNothing(stage, async () => change(split(await world.session(attacker.people.viewer)))),
    );
  const withHeader = (name: string, header: Record<string, unknown>, signature?: string) =>
    altered(name, (parts) => joined({ ...parts, header: { ...parts.header, ...header }, signature: signature ?? parts.signature }));
  const withClaims = (name: string, claims: Record<string, unknown>) =>
    altered(name, (parts) => joined({ ...parts, claims: { ...parts.claims, ...claims } }));
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = publicKey.export({ format: 'jwk' });
  return [
    ...['none', 'None', 'NONE', 'nOnE'].map((alg) => withHeader(`alg=${alg}, unsigned`, { alg }, '')),
    ...['none', 'HS384', 'HS512', 'RS256', 'ES256', ''].map((alg) => withHeader(`alg=${alg}, its old signature`, { alg })),
    withHeader('an unknown kid', { kid: 'k9' }),
    withHeader('a path as kid', { kid: '../../../../dev/null' }),
    withHeader('SQL as kid', { kid: "k1' OR '1'='1" }),
    withHeader('a prototype’s name as kid', { kid: '__proto__' }),
    withHeader('no kid', { kid: undefined }),
    withHeader('a critical header', { crit: ['b64'], b64: false }),
    altered('a key of its own in the header', (parts) => {
      const input = `${encode({ ...parts.header, alg: 'RS256', jwk })}.${encode(parts.claims)}`;
      return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
    }),
    altered('a public key as the shared secret', (parts) => {
      const input = `${encode(parts.header)}.${encode(parts.claims)}`;
      const secret = publicKey.export({ format: 'pem', type: 'spki' });
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    }),
    altered('an empty secret', (parts) => {
      const input = `${encode(parts.header)}.${encode(parts.claims)}`;
      return `${input}.${createHmac('sha256', '').update(input).digest('base64url')}`;
    }),
    withClaims('another team in it', { team_id: victim.id }),
    withClaims('another user in it', { sub: victim.people.owner.userId }),
    withClaims('a later end', { exp: Math.floor(Date.now() / 1000) + 10 * 365 * 86_400 }),
    withClaims('operator in it', { platform_operator: true, role: 'platform_operator' }),
    altered('half a signature', (parts) => joined({ ...parts, signature: parts.signature.slice(0, 20) })),
    altered('no signature', (parts) => joined({ ...parts, signature: '' })),
    altered('two signatures', (parts) => `${joined(parts)}.${parts.signature}`),
  ];
}

/** Signed by our own key, as another part of the platform might: good for what it is for, and for nothing else. */
function signedTokens(stage: Stage): Attack[] {
  const { world, attacker, victim } = stage;
  const { viewer } = attacker.people;
  const signed = (name: string, claims: Record<string, unknown>, options: Partial<Parameters<JwtSigner['sign']>[1]> = {}, code?: string) =>
    attack(
      `session token: ${name}`,
      opensNothing(
        stage,
        async () => {
          const { claims: own } = split(await world.session(viewer));
          const all = { audience: SESSION_AUDIENCE, subject: viewer.userId, expiresInSeconds: 600, ...options };
          return await signer.sign({ jti: String(own.jti), team_id: attacker.id, ...claims }, all);
        },
        { errorCode: code },
      ),
    );
  const stranger = JwtSigner.parse(`k1:${Buffer.alloc(32, 8).toString('base64')}`);
  return [
    signed('expired', {}, { nowMs: Date.now() - 2 * HOUR_MS }, 'expired_token'),
    signed('for another audience', {}, { audience: 'leasehold-claim' }, 'invalid_claims'),
    signed('for no audience', {}, { audience: undefined }, 'invalid_claims'),
    signed('of a session that never was', { jti: randomUUID() }, {}, 'invalid_claims'),
    signed('of no user', {}, { subject: undefined }, 'invalid_claims'),
    signed('of another user than its session', {}, { subject: victim.people.owner.userId }, 'invalid_claims'),
    signed('for another team than its session', { team_id: victim.id }, {}, 'invalid_claims'),
    signed('for no team', { team_id: undefined }, {}, 'invalid_claims'),
    attack(
      'session token: signed by another installation',
      opensNothing(stage, async () => {
        const { claims } = split(await world.session(viewer));
        const options = { audience: SESSION_AUDIENCE, subject: viewer.userId, expiresInSeconds: 600 };
        return await stranger.sign({ jti: String(claims.jti), team_id: attacker.id }, options);
      }),
    ),
  ];
}

function endedSessions(stage: Stage): Attack[] {
  const { world, attacker } = stage;
  const taken = { errorCode: 'revoked_session', audited: true };
  return [
    attack(
      'session token: after logout',
      opensNothing(
        stage,
        async () => {
          const bearer = await world.session(attacker.people.member);
          await world.call('POST /auth/logout', { bearer });
          return bearer;
        },
        taken,
      ),
    ),
    attack(
      'session token: after switching the team',
      opensNothing(
        stage,
        async () => {
          const bearer = await world.session(attacker.people.member);
          await world.call('POST /auth/switch-team', { bearer, body: { team_id: attacker.id } });
          return bearer;
        },
        taken,
      ),
    ),
    attack(
      'session token: of a removed member',
      opensNothing(
        stage,
        async () => {
          const gone = await world.person(attacker.id, 'admin');
          const bearer = await world.session(gone);
          const owner = await world.session(attacker.people.owner);
          await world.call(`DELETE /api/v1/team/members/${gone.userId}`, { bearer: owner });
          return bearer;
        },
        taken,
      ),
    ),
  ];
}

function malformed({ world, attacker }: Stage): Attack[] {
  const header = (name: string, authorization: (key: string) => string, statuses = [401]) =>
    attack(`authorization header: ${name}`, () =>
      refusal(world, { route: '/auth/me', headers: { authorization: authorization(attacker.keys.admin) } }, { statuses }),
    );
  const inQuery = (parameter: string) =>
    attack(`credential in the query: ${parameter}`, () =>
      refusal(world, { route: `/auth/me?${parameter}=${attacker.keys.admin}` }, { statuses: [400] }),
    );
  return [
    header('no scheme', (key) => key),
    header('Basic', (key) => `Basic ${Buffer.from(`${key}:`).toString('base64')}`),
    header('empty', () => 'Bearer '),
    header('only a scheme', () => 'Bearer'),
    header('two keys', (key) => `Bearer ${key} ${key}`),
    header('a list', (key) => `Bearer ${key},Bearer ${key}`),
    header('too long', () => `Bearer ${'a'.repeat(8_000)}`),
    header('SQL', () => `Bearer '||(SELECT+key_hash+FROM+api_keys)||'`),
    ...['token', 'access_token', 'api_key', 'apikey', 'ACCESS_TOKEN', 'token[]'].map(inQuery),
  ];
}
