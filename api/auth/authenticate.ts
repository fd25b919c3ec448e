// Turns the Authorization header into a caller. No header is anonymous; a bad one is 401, never anonymous.
import { KEY_SCOPES } from '../../shared/authz';
import { constantTimeEquals, hashToken, type JwtSigner } from '../../shared/crypto';
import { ApiError } from '../errors';
import type { ApiKeyStore } from '../identity/apikeys';
import { namedIssuer } from '../identity/oidc';
import type { OidcSignIn } from '../identity/oidc-signin';
import { SESSION_AUDIENCE } from '../identity/session';
import type { IdentityStore } from '../identity/store';
import type { ResourceStore } from '../projection/store';
import type { Caller, ClientAddress, TeamCaller } from './caller';

export interface AuthenticatorDeps {
  store: Pick<ResourceStore, 'findApiKey'>;
  identity: Pick<IdentityStore, 'findSession'>;
  apiKeys: Pick<ApiKeyStore, 'used'>;
  jwt: JwtSigner;
  /** Told of a credential that was good once: its holder is somebody we know. */
  onRevoked(caller: TeamCaller): void;
  oidc: Pick<OidcSignIn, 'caller'>;
  /** null = no operator key is configured, so nobody is one. */
  operatorKey: string | null;
}

export type AuthFailure = 'missing_credentials' | 'malformed_token' | 'expired_token' | 'invalid_claims' | 'revoked_session';

const MESSAGES: Readonly<Record<AuthFailure, string>> = {
  missing_credentials:
    'This needs a credential. Send "Authorization: Bearer <api key>", or the token of an anonymous resource as X-Resource-Token.',
  malformed_token: 'The credential is not written as one. Send "Authorization: Bearer <api key>".',
  expired_token: 'The token has expired. Get a new one and repeat the request.',
  invalid_claims: 'The credential is not known here, or is not good for this. Send an api key of this installation.',
  revoked_session: 'The credential was revoked. Make a new api key and repeat the request.',
};

export function unauthorized(failure: AuthFailure, message: string = MESSAGES[failure]): ApiError {
  return new ApiError({ code: 'unauthorized', message, errorCode: failure });
}

const BEARER = /^Bearer +([\x21-\x7e]{1,8192})$/i;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

export async function authenticate(deps: AuthenticatorDeps, authorization: string | undefined, address: ClientAddress): Promise<Caller> {
  if (authorization === undefined) return { type: 'anonymous', address };
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw unauthorized('malformed_token');
  if (deps.operatorKey !== null && constantTimeEquals(token, deps.operatorKey)) return { type: 'operator', address };
  if (JWT.test(token)) {
    // Before any key is tried: an issuer's token never meets our keys, nor ours an issuer's.
    const issuer = namedIssuer(token);
    if (issuer === undefined) throw unauthorized('malformed_token');
    return issuer === null ? await bySession(deps, token, address) : await deps.oidc.caller(token, address, deps.onRevoked);
  }
  const key = await deps.store.findApiKey(hashToken(token));
  if (key === null) throw unauthorized('invalid_claims');
  const { teamId, tier, role, userId, scopes, keyId } = key;
  const caller: TeamCaller = { type: 'team', address, teamId, tier, role, userId, scopes, credential: { type: 'api_key', keyId } };
  if (key.revoked) throw revoked(deps, caller);
  deps.apiKeys.used(keyId);
  return caller;
}

function revoked(deps: AuthenticatorDeps, caller: TeamCaller): ApiError {
  deps.onRevoked(caller);
  return unauthorized('revoked_session');
}

async function bySession(deps: AuthenticatorDeps, token: string, address: ClientAddress): Promise<Caller> {
  const verified = await deps.jwt.verify(token, { audience: SESSION_AUDIENCE, requiredClaims: ['jti', 'sub'] });
  if (!verified.ok) throw unauthorized(verified.reason);
  const { jti, sub, team_id } = verified.claims;
  const session = await deps.identity.findSession(String(jti));
  if (session === null || session.userId !== sub || session.teamId !== team_id) throw unauthorized('invalid_claims');
  const { teamId, tier, role, userId, sessionId, platformOperator } = session;
  const credential = { type: 'session' as const, sessionId };
  const caller: TeamCaller = { type: 'team', address, teamId, tier, role, userId, platformOperator, scopes: KEY_SCOPES, credential };
  if (session.revoked) throw revoked(deps, caller);
  return caller;
}
