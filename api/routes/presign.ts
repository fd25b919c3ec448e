// Signed urls for one object of a storage resource. Signed with the resource's own key, so that they end when its access does; with the
// platform's where the store has none for it.
import { isInactive } from '../../shared/resourcestatus';
import { checkObjectKey, MAX_OBJECT_KEY_BYTES } from '../../shared/storagepath';
import { isSignedByPlatform, presignObject, type StorageKey } from '../../shared/storageprovider';
import { audit } from '../audit';
import { authorizeResource, notFound } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import type { ConnectionInput } from '../projection/connections';
import { storageEndpoint } from '../projection/connections/storage';
import type { ResourceWithCredential, StoredResource } from '../projection/store';
import { inactiveError } from '../provision/answer';
import { presignAnswer, presignBody, presignParams } from '../schemas/presign';
import { TOKEN_HEADER } from './resources';

export function presignRoutes(deps: ApiDeps): Route[] {
  return [presignRoute(deps)];
}

function presignRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/storage/:token/presign',
    operationId: 'presign_object',
    summary: 'Sign a url for one object',
    description: 'For whoever shall read or write one object without a key; in mode broker the only way in.',
    tag: 'Storage',
    access: 'caller',
    params: presignParams,
    body: presignBody,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'The url.', schema: presignAnswer } },
    errors: [
      'not_found',
      'path_unsafe',
      'resource_inactive',
      'resource_not_ready',
      'resource_suspended',
      'storage_limit_reached',
      'provision_failed',
    ],
    async handle({ caller, context, params, header, body }) {
      const row = await authorizeResource(deps, { id: params.token, caller, context, header, action: 'resource.credentials' });
      if (row.kind !== 'storage') throw notFound();
      await deps.rates.admitRoute('presigns', caller, row.id);
      const found = await deps.store.findWithCredential(row.id);
      if (found === null) throw notFound();
      refuseWithoutAccess(found.resource, body.operation);
      const { place, key } = openedPlace(deps, found);
      const verdict = checkObjectKey(body.key, MAX_OBJECT_KEY_BYTES - Buffer.byteLength(place.prefix));
      if (!verdict.safe) throw unsafeKey(verdict.reason);
      const objectKey = `${place.prefix}${body.key}`;
      // Signatures know whole seconds.
      const signedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
      const seconds = Math.min(body.expires_in, place.longestSeconds);
      const endsAtMs = Math.min(signedAt.getTime() + seconds * 1000, key.endsAtMs);
      if (endsAtMs <= signedAt.getTime()) throw sessionEnded();
      const url = await presignObject({
        ...{ endpoint: place.endpoint, region: place.region, bucket: place.bucket, objectKey, key: key.pair },
        ...{ operation: body.operation, expiresInSeconds: Math.floor((endsAtMs - signedAt.getTime()) / 1000), signedAt },
      });
      const expiresAt = new Date(endsAtMs).toISOString();
      const target = { type: 'resource', id: row.id, teamId: row.team_id };
      // The key of the object is the tenant's own business.
      await audit(deps, { caller, context, action: 'storage.presign', target, result: 'success', data: { operation: body.operation } });
      return {
        status: 200,
        body: { ok: true, url, method: body.operation, key: body.key, object_key: objectKey, expires_at: expiresAt },
      };
    },
  });
}

function openedPlace(deps: ApiDeps, found: ResourceWithCredential) {
  const { details, issued, address } = deps.secrets.opened(found);
  const pair = isSignedByPlatform(details) ? deps.secrets.storageKey(found.resource.backend_name) : ownKey(issued);
  const { bucket, prefix, region } = details;
  if (pair === null || typeof bucket !== 'string' || typeof prefix !== 'string' || typeof region !== 'string')
    throw new ApiError({ code: 'internal_error', message: 'The credentials of this resource cannot be read at the moment.' });
  const expireAt = issued?.credentials_expire_at;
  return {
    place: {
      ...{ endpoint: storageEndpoint(address), region, bucket, prefix },
      // Where nothing at the store ends a url before its time.
      longestSeconds: typeof details.signed_url_seconds === 'number' ? details.signed_url_seconds : Number.POSITIVE_INFINITY,
    },
    key: {
      pair,
      endsAtMs: expireAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expireAt),
    },
  };
}

function ownKey(issued: ConnectionInput['issued']): StorageKey | null {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = issued ?? {};
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken } : null;
}

/** The store would refuse the url as well; saying it here names the reason. */
function refuseWithoutAccess(row: StoredResource, operation: string): void {
  if (isInactive(row.status)) throw inactiveError(row) ?? notFound();
  if (row.status === 'suspended')
    throw new ApiError({
      code: 'resource_suspended',
      message: 'The resource is suspended.',
      details: { reason: row.suspended_reason ?? '' },
    });
  if (row.status !== 'active')
    throw new ApiError({
      code: 'resource_not_ready',
      message: row.status === 'paused' ? 'The resource is paused. Resume it first.' : 'The resource is still being made.',
      details: { status: row.status },
    });
  if (row.read_only_by_quota && operation === 'PUT')
    throw new ApiError({ code: 'storage_limit_reached', message: 'The bucket holds as much as the plan allows. Delete objects first.' });
}

function unsafeKey(reason: string): ApiError {
  const words = reason.replaceAll('_', ' ');
  return new ApiError({ code: 'path_unsafe', message: `key is not a safe path: ${words}.`, details: { field: 'key', reason } });
}

function sessionEnded(): ApiError {
  return new ApiError({
    code: 'resource_not_ready',
    message: 'The temporary credentials have ended. Rotate the credentials for new ones.',
  });
}
