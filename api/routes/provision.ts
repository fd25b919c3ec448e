// `POST /db/new` and its sisters.

import type { ErrorCode } from '../../shared/errors';
import { formatDuration } from '../../shared/plans';
import { isInactive } from '../../shared/resourcestatus';
import { RESOURCE_KINDS, type ResourceKind, ROUTE_SEGMENT } from '../../shared/resourcetype';
import { authorizeCreate } from '../auth/authorize';
import type { TenantCaller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { prefers } from '../http/prefer';
import { defineRoute, type Reply, type Route } from '../http/route';
import { readIdempotencyKey } from '../idempotency/key';
import { wireLimits } from '../projection/item';
import { optionalTexts } from '../provision/answer';
import { provision, serviceDisabled } from '../provision/run';
import { draftSpec, type SpecDraft } from '../provision/spec';
import {
  dryRunAnswer,
  ignoredFields,
  PROVISION_FIELD_CODES,
  PROVISION_SCHEMAS,
  provisionAccepted,
  provisionAnswer,
} from '../schemas/provision';

export function provisionRoutes(deps: ApiDeps): Route[] {
  return RESOURCE_KINDS.map((kind) => provisionRoute(deps, kind));
}

function provisionErrors(kind: ResourceKind): ErrorCode[] {
  return [
    'name_required',
    'invalid_name',
    'invalid_env',
    'invalid_ttl',
    'invalid_labels',
    'invalid_notify_webhook',
    'invalid_notify_email',
    'invalid_parent',
    'invalid_idempotency_key',
    'ttl_too_long',
    'ttl_too_short',
    ...(kind === 'vector' ? (['invalid_dimensions'] as const) : []),
    'upgrade_required',
    `${kind}_limit_reached`,
    'provision_limit_reached',
    'resource_inactive',
    'already_claimed',
    'idempotency_key_reuse',
    'provision_failed',
    'service_disabled',
    'no_capacity',
    'draining',
    'timeout',
  ];
}

function provisionRoute(deps: ApiDeps, kind: ResourceKind): Route {
  return defineRoute({
    method: 'post',
    path: `/${ROUTE_SEGMENT[kind]}/new`,
    operationId: `provision_${kind}`,
    summary: `Make a ${kind} resource`,
    description: 'Unknown top-level keys are accepted and named in ignored_fields.',
    tag: 'Provision',
    access: 'caller',
    rate: 'provisions',
    idempotency: 'own',
    body: PROVISION_SCHEMAS[kind],
    fieldCodes: PROVISION_FIELD_CODES,
    headers: {
      'Idempotency-Key': '1 to 255 printable ASCII characters (16 or more without an api key). A repeat gets the same resource.',
      'X-Idempotency-Key': 'The same as Idempotency-Key.',
      Prefer: 'respond-async: answer 202 as soon as the resource is reserved.',
    },
    answers: {
      200: { description: 'dry_run: what would have been made. Nothing was.', schema: dryRunAnswer(kind) },
      201: { description: 'Ready to use.', schema: provisionAnswer(kind), headers: ['X-Idempotency-Source', 'X-Idempotent-Replay'] },
      202: {
        description: 'Accepted; not ready yet.',
        schema: provisionAccepted(kind),
        headers: ['Location', 'X-Idempotency-Source', 'X-Idempotent-Replay'],
      },
    },
    errors: provisionErrors(kind),
    async handle({ caller, body: input, raw, context, header }): Promise<Reply> {
      const tenant = authorizeCreate(deps, { caller, context });
      const body: object = raw.body;
      const { plans, settings } = deps;
      const draft = draftSpec({
        kind,
        input,
        caller: tenant,
        plans: plans.current(),
        policies: deps.policies,
        loopbackExempt: settings.loopbackExempt,
        requestId: context.requestId,
      });
      const key = readIdempotencyKey({ caller: tenant, kind, body, header });
      await checkParent(deps, draft);
      if (input.dedicated === true) throw serviceDisabled(`dedicated ${kind}`);
      const texts = { ignoredFields: ignoredFields(kind, body), warnings: key.type === 'none' && key.warning ? [key.warning] : [] };
      if (input.dry_run === true) return await dryRun(deps, draft, texts);
      return await provision(deps, {
        caller: tenant as TenantCaller,
        draft,
        key,
        respondAsync: prefers(header('prefer')).respondAsync,
        context: { deps, ...texts },
        notifyEmail: input.notify_email ?? null,
        onResource: (resourceId) => {
          context.resourceId = resourceId;
        },
      });
    },
  });
}

/** Somebody else's parent reads the same as none: no id is confirmed. */
async function checkParent(deps: ApiDeps, { parentResourceId, owner }: SpecDraft): Promise<void> {
  if (parentResourceId === null) return;
  const parent = await deps.store.find({ id: parentResourceId, tokenHash: null });
  const same =
    owner.type === 'team' ? parent?.team_id === owner.teamId : parent?.team_id === null && parent.owner_address_hash === owner.addressHash;
  if (parent !== null && same && !isInactive(parent.status)) return;
  throw new ApiError({
    code: 'invalid_parent',
    message: 'parent_resource_id must be the id of a live resource of the same owner.',
    details: { field: 'parent_resource_id' },
  });
}

async function dryRun(deps: ApiDeps, draft: SpecDraft, texts: { ignoredFields: string[]; warnings: string[] }): Promise<Reply> {
  if (!(await deps.store.readyKinds()).has(draft.kind)) throw serviceDisabled(draft.kind);
  const { ofKind, provisionsToday } = await deps.store.usage(draft.owner, draft.kind);
  const { kindCount, provisionsPerDay } = draft.quota;
  if (kindCount >= 0 && ofKind >= kindCount) {
    throw new ApiError({
      code: `${draft.kind}_limit_reached`,
      message: `The ${draft.policy.tier} plan holds ${kindCount} resources of kind ${draft.kind} at once; delete one or upgrade.`,
      details: { limit: kindCount, held: ofKind },
    });
  }
  if (provisionsPerDay >= 0 && provisionsToday >= provisionsPerDay) {
    throw new ApiError({
      code: 'provision_limit_reached',
      message: `This network has made its ${provisionsPerDay} resources of today; claim one or come back tomorrow.`,
      details: { limit: provisionsPerDay },
    });
  }
  const body = {
    ok: true,
    dry_run: true,
    name: draft.name,
    tier: draft.policy.tier,
    env: draft.env,
    limits: wireLimits(draft.kind, draft.limits, draft.ttlMs === null ? null : formatDuration(draft.ttlMs)),
    quota: {
      of_kind: { limit: kindCount, used: ofKind },
      provisions_today: { limit: provisionsPerDay, used: provisionsToday },
    },
    ...optionalTexts(texts),
  };
  return { status: 200, body };
}
