// The body of a provision's answer, from the row.
import { signClaim } from '../../shared/crypto';
import { formatDuration } from '../../shared/plans';
import { isInactive } from '../../shared/resourcestatus';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { openServerWarning } from '../projection/connections';
import { leaseLength, wireLimits } from '../projection/item';
import type { ResourceWithCredential, StoredResource } from '../projection/store';
import type { SpecDraft } from './spec';

export interface AnswerContext {
  deps: Pick<ApiDeps, 'secrets' | 'settings' | 'jwt' | 'notifications'>;
  ignoredFields: string[];
  warnings: string[];
}

async function onboarding(row: StoredResource, token: string, { deps }: AnswerContext) {
  const upgradeJwt = await signClaim(deps.jwt, { fingerprint: row.owner_fingerprint, token, kind: row.kind });
  const claimUrl = `${deps.settings.baseUrl}/start?t=${upgradeJwt}`;
  return {
    note: `It lives until ${row.expires_at?.toISOString() ?? 'you delete it'} and is then deleted with its data. Open claim_url to keep it.`,
    upgrade: claimUrl,
    claim_url: claimUrl,
    upgrade_jwt: upgradeJwt,
  };
}

export function optionalTexts({ ignoredFields, warnings }: Pick<AnswerContext, 'ignoredFields' | 'warnings'>) {
  return {
    ...(ignoredFields.length > 0 ? { ignored_fields: ignoredFields } : {}),
    ...(warnings.length > 0 ? { warning: warnings.join(' ') } : {}),
  };
}

export function resourceUrls(baseUrl: string, resourceId: string) {
  const resourceUrl = `${baseUrl}/api/v1/resources/${resourceId}`;
  return { resource_url: resourceUrl, events_url: `${resourceUrl}/events` };
}

/** @param access whether the connection url is told (201) or not yet (202) */
export async function provisionBody(found: ResourceWithCredential, access: 'ready' | 'pending', context: AnswerContext) {
  const { resource } = found;
  const token = context.deps.secrets.token(resource);
  const connection = access === 'ready' ? context.deps.secrets.connection(found) : {};
  const openServer = openServerWarning(found);
  const webhookSecret = resource.notify_webhook === null ? null : await context.deps.notifications.resourceSecret(resource.id);
  return {
    ok: true as const,
    id: resource.id,
    token,
    name: resource.name,
    ...connection,
    tier: resource.tier,
    env: resource.env,
    limits: wireLimits(resource.kind, resource.limits, leaseLength(resource)),
    ...optionalTexts({ ...context, warnings: [...context.warnings, ...(openServer === null || access === 'pending' ? [] : [openServer])] }),
    status: access === 'ready' ? resource.status : ('pending' as const),
    expires_at: resource.expires_at?.toISOString() ?? null,
    ...resourceUrls(context.deps.settings.baseUrl, resource.id),
    ...(webhookSecret === null ? {} : { notify_webhook_secret: webhookSecret }),
    ...(resource.team_id === null ? await onboarding(resource, token, context) : {}),
  };
}

/** Accepted, but no worker has reserved it yet: what is known without a row. */
export function acceptedBody(resourceId: string, draft: SpecDraft, context: AnswerContext) {
  const expiresIn = draft.ttlMs === null ? null : formatDuration(draft.ttlMs);
  return {
    ok: true as const,
    id: resourceId,
    name: draft.name,
    tier: draft.policy.tier,
    env: draft.env,
    limits: wireLimits(draft.kind, draft.limits, expiresIn),
    ...optionalTexts(context),
    status: 'pending' as const,
    expires_at: null,
    ...resourceUrls(context.deps.settings.baseUrl, resourceId),
  };
}

/** Why a row that is there cannot be handed out, or null. */
export function inactiveError(row: StoredResource): ApiError | null {
  if (row.status === 'failed') {
    return new ApiError({
      code: 'provision_failed',
      message: row.failure_message ?? 'The resource could not be made; nothing is left of it.',
      details: row.failure_code === null ? {} : { reason: row.failure_code },
    });
  }
  if (!isInactive(row.status)) return null;
  return new ApiError({
    code: 'resource_inactive',
    message: `The resource is ${row.status}.`,
    details: { resource_id: row.id, status: row.status },
  });
}
