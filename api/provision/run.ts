// One provision, from the idempotency key to the answer. The workflow does the work; the row decides what is said about it.
import { isLive } from '../../shared/resourcestatus';
import type { ResourceSpec } from '../../shared/resourcetype';
import type { TenantCaller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError, toLeaseholdError } from '../errors';
import type { Reply } from '../http/route';
import type { IdempotencyKey } from '../idempotency/key';
import { type Resolution, resolve } from '../idempotency/resolve';
import type { ReadyOutcome } from '../lifecycle/port';
import type { ResourceWithCredential, StoredResource } from '../projection/store';
import { waitFor } from '../projection/waiter';
import { type AnswerContext, acceptedBody, inactiveError, provisionBody } from './answer';
import type { SpecDraft } from './spec';

const READY_TIMEOUT_MS = 25_000;
/** How long `respond-async` waits for the row, which holds the token that a caller needs to come back with. */
const RESERVED_TIMEOUT_MS = 3_000;
const CLAIM_ATTEMPTS = 5;

export interface ProvisionRequest {
  caller: TenantCaller;
  draft: SpecDraft;
  key: IdempotencyKey;
  respondAsync: boolean;
  context: AnswerContext;
  /** Where to send mail about it; the webhook is in the draft. No address goes into the workflow. */
  notifyEmail: string | null;
  /** Told which resource the request turned out to be about. */
  onResource?: (resourceId: string) => void;
}

export type ProvisionDeps = Pick<ApiDeps, 'store' | 'lifecycle' | 'feed' | 'secrets' | 'settings' | 'jwt' | 'logger' | 'notifications'>;

export async function provision(deps: ProvisionDeps, request: ProvisionRequest): Promise<Reply> {
  const resolution = await claimed(deps, request);
  request.onResource?.(resolution.resourceId);
  const spec: ResourceSpec = { ...request.draft, resourceId: resolution.resourceId, generation: resolution.generation };
  const headers = {
    'X-Idempotency-Source': resolution.source,
    ...(resolution.replay ? { 'X-Idempotent-Replay': 'true' } : {}),
  };
  const existing = resolution.replay ? await answerFromRow(deps, request, resolution.resourceId) : null;
  if (existing === null) await keepTargets(deps, request, spec.resourceId);
  const reply = existing ?? (request.respondAsync ? await accept(deps, request, spec) : await startAndAnswer(deps, request, spec));
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

/** Before the start, so that nothing can happen to the resource that its owner is not told. */
async function keepTargets(deps: ProvisionDeps, { draft, notifyEmail }: ProvisionRequest, resourceId: string): Promise<void> {
  const webhook = draft.notifyWebhook !== null;
  if (webhook || notifyEmail !== null) await deps.notifications.keepTargets(resourceId, { email: notifyEmail, webhook });
}

/** The resource this request is about, its key written. Of several requests under one key, one claims and the others join it. */
async function claimed(deps: ProvisionDeps, { key, draft }: ProvisionRequest): Promise<Resolution> {
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
    const resolution = await resolve(deps, key);
    if (resolution.replay) return resolution;
    if (!(await deps.store.readyKinds()).has(draft.kind)) throw serviceDisabled(draft.kind);
    if (resolution.claim === null || (await resolution.claim())) return resolution;
  }
  throw new ApiError({
    code: 'temporarily_unavailable',
    message: 'Too many requests came in under this key at once. Repeat it.',
    retryAfterSeconds: 1,
  });
}

export function serviceDisabled(kind: string): ApiError {
  return new ApiError({
    code: 'service_disabled',
    message: `No ${kind} backend is ready on this installation, so nothing was made. Other kinds are not affected; /readyz says which are up.`,
    details: { kind, notice: `${kind} is disabled here for now` },
  });
}

async function startAndAnswer(deps: ProvisionDeps, request: ProvisionRequest, spec: ResourceSpec): Promise<Reply> {
  return await settle(deps, request, spec, await deps.lifecycle.startAndWait(spec, { timeoutMs: READY_TIMEOUT_MS }));
}

async function settle(deps: ProvisionDeps, request: ProvisionRequest, spec: ResourceSpec, outcome: ReadyOutcome): Promise<Reply> {
  const found = await deps.store.findWithCredential(spec.resourceId);
  if (found !== null) refuseHandedOver(request, found.resource);
  if (found !== null && isLive(found.resource.status)) return { status: 201, body: await provisionBody(found, 'ready', request.context) };
  // The run's own words come before the row's: it knows which limit was reached.
  if (outcome.outcome === 'failed') throw toLeaseholdError(outcome.error);
  if (found === null) return await withoutRow(deps, request, spec, outcome);
  const gone = inactiveError(found.resource);
  if (gone !== null) throw gone;
  return await pending(request, spec.resourceId, await provisionBody(found, 'pending', request.context));
}

/** Claimed since: the key that made it opens it no more, as its token does not. */
function refuseHandedOver({ caller }: ProvisionRequest, { team_id: teamId }: StoredResource): void {
  if (teamId === null || caller.type === 'team') return;
  throw new ApiError({
    code: 'already_claimed',
    message: 'The resource that this key made belongs to a team now. Sign in with that team.',
  });
}

/** Where the caller may look for it: under the id, which needs the token or the team's key. */
function pending(request: ProvisionRequest, resourceId: string, body: object): Reply {
  const location = `${request.context.deps.settings.baseUrl}/api/v1/resources/${resourceId}`;
  return { status: 202, body, headers: { Location: location } };
}

/** In time, no row: was it started at all, and can the caller ever find it? */
async function withoutRow(deps: ProvisionDeps, request: ProvisionRequest, spec: ResourceSpec, outcome: ReadyOutcome): Promise<Reply> {
  const away = new ApiError({
    code: 'temporarily_unavailable',
    message: 'Nothing is taking up new resources at the moment. Repeat the request.',
  });
  const run = await deps.lifecycle.runState(spec.resourceId).catch(() => 'absent' as const);
  if (outcome.outcome !== 'deadline' || run !== 'running') throw away;
  if (request.caller.type === 'anonymous' && request.key.type === 'none') {
    // The token is in no hand and no key leads back to it, so nobody could ever use it.
    const reason = 'the caller was never told of it';
    await deps.lifecycle.remove(spec, { actor: { type: 'system', id: 'api' }, requestId: spec.requestId, reason }).catch(() => undefined);
    throw away;
  }
  return pending(request, spec.resourceId, acceptedBody(spec.resourceId, request.draft, request.context));
}

/** `Prefer: respond-async`: answers as soon as the row is there, or with the reason why there will be none. */
async function accept(deps: ProvisionDeps, request: ProvisionRequest, spec: ResourceSpec): Promise<Reply> {
  const started = deps.lifecycle.startAndWait(spec, { timeoutMs: RESERVED_TIMEOUT_MS });
  const stop = new AbortController();
  const reserved = waitFor(deps.feed, spec.resourceId, {
    timeoutMs: RESERVED_TIMEOUT_MS,
    signal: stop.signal,
    read: () => deps.store.findWithCredential(spec.resourceId),
    done: (found) => found !== null,
  });
  try {
    // No row in time says nothing: then the start says what became of it.
    const row = reserved.then(async (found) => found ?? (await started));
    const first = await Promise.race<ReadyOutcome | ResourceWithCredential>([started, row]);
    const found = 'outcome' in first ? await deps.store.findWithCredential(spec.resourceId) : first;
    if (found === null && 'outcome' in first && first.outcome === 'failed') throw toLeaseholdError(first.error);
    if (found !== null) return pending(request, spec.resourceId, await provisionBody(found, 'pending', request.context));
    await deps.lifecycle.start(spec);
    return await withoutRow(deps, request, spec, { outcome: 'deadline' });
  } finally {
    stop.abort();
    // Whichever lost the race must not become an unhandled rejection.
    started.catch(() => undefined);
    reserved.catch(() => undefined);
  }
}

/** A replay of what is there already needs no orchestrator. Null while it is still being made. */
async function answerFromRow(deps: ProvisionDeps, request: ProvisionRequest, resourceId: string): Promise<Reply | null> {
  const found = await deps.store.findWithCredential(resourceId);
  if (found === null || found.resource.status === 'pending') return null;
  refuseHandedOver(request, found.resource);
  const gone = inactiveError(found.resource);
  if (gone !== null) throw gone;
  return { status: 201, body: await provisionBody(found, 'ready', request.context) };
}
