// Session tokens: signed by us, good until they expire or their row is revoked.
import type { JwtSigner } from '../../shared/crypto';
import type { IdentityStore } from './store';

export const SESSION_AUDIENCE = 'leasehold-session';

export interface SessionDeps {
  jwt: JwtSigner;
  identity: Pick<IdentityStore, 'openSession'>;
  settings: { sessionTtlMs: number };
}

/** The bearer token of a new session. */
export async function issueSession(
  { jwt, identity, settings }: SessionDeps,
  { userId, teamId }: { userId: string; teamId: string },
): Promise<{ token: string; sessionId: string; expiresAtMs: number }> {
  const expiresAtMs = Date.now() + settings.sessionTtlMs;
  const { sessionId } = await identity.openSession({ userId, teamId, expiresAtMs });
  const token = await jwt.sign(
    { jti: sessionId, team_id: teamId },
    { audience: SESSION_AUDIENCE, subject: userId, expiresInSeconds: Math.floor(settings.sessionTtlMs / 1000) },
  );
  return { token, sessionId, expiresAtMs };
}
