// What a caller shows to claim with: tokens, the handles of claim links, or a claim link's signed text, which holds handles.
import { z } from 'zod';
import { CLAIM_AUDIENCE } from '../../shared/crypto';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';

const handles = z.array(z.uuid()).min(1).max(50);

/**
 * The handles that a claim link stands for. It is used up with its resources: each can be claimed once.
 * @throws ApiError unauthorized
 */
export async function handlesOf(deps: Pick<ApiDeps, 'jwt'>, upgradeJwt: string): Promise<string[]> {
  const verified = await deps.jwt.verify(upgradeJwt, { audience: CLAIM_AUDIENCE, requiredClaims: ['tok', 'jti'] });
  if (!verified.ok && verified.reason === 'expired_token') {
    throw refusal('expired_token', 'The claim link has expired. Claim with the token of the resource, or make a new resource.');
  }
  const tok = handles.safeParse(verified.ok ? verified.claims.tok : undefined);
  if (!verified.ok || !tok.success)
    throw refusal('malformed_token', 'The claim link was not made here. Open claim_url as it was handed out.');
  return tok.data;
}

function refusal(errorCode: 'expired_token' | 'malformed_token', message: string): ApiError {
  return new ApiError({ code: 'unauthorized', message, errorCode });
}
