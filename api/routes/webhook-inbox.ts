// Who may look into an inbox, and when.
import type { Action } from '../../shared/authz';
import type { InboxStore } from '../../shared/inbox';
import { isInactive } from '../../shared/resourcestatus';
import { authorizeResource, notFound } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import type { RouteRequest } from '../http/route';
import type { StoredResource } from '../projection/store';
import { inactiveError } from '../provision/answer';

type InboxRequest = Pick<RouteRequest, 'caller' | 'context' | 'header'>;

export interface OpenInbox {
  row: StoredResource;
  store: InboxStore;
}

/**
 * The inbox, if the caller may and it is not cut: what is paused, suspended or over is not read either.
 * Its contents are the tenant's data, so operators may not see them.
 */
export async function openInbox(deps: ApiDeps, request: InboxRequest, token: string, action: Action): Promise<OpenInbox> {
  const row = await authorizeResource(deps, { ...request, id: token, action });
  if (row.kind !== 'webhook') throw notFound();
  if (isInactive(row.status)) throw inactiveError(row) ?? inactive(row.status);
  if (row.status === 'pending')
    throw new ApiError({ code: 'resource_not_ready', message: 'The inbox is still being made. Wait until its status is active.' });
  if (deps.inbox === null)
    throw new ApiError({ code: 'service_disabled', message: 'Inboxes cannot be read here: LEASEHOLD_INBOX_URL is not set for this api.' });
  const state = await deps.inbox.state(row.object_name);
  if (state?.open !== true) throw inactive(row.status);
  return { row, store: deps.inbox };
}

function inactive(status: string): ApiError {
  return new ApiError({ code: 'webhook_inactive', message: `The inbox is closed (${status}): it takes nothing and shows nothing.` });
}
