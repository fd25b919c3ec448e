// From a valid request and the caller's plan to what the workflow is started with. Pure.
import { connectionsLimit, formatDuration, type Plan, type Plans, parseDurationMs, storageLimitMb } from '../../shared/plans';
import type { Policies } from '../../shared/policy';
import type { Owner, ReservationQuota, ResourceKind, ResourceLimits, ResourceOptions, ResourceSpec } from '../../shared/resourcetype';
import { actorOf, ownerOf, type TenantCaller, tierOf } from '../auth/caller';
import { ApiError } from '../errors';
import type { ProvisionInput } from '../schemas/provision';

const UNLIMITED = -1;

/** @throws ApiError invalid_ttl, ttl_too_short */
export function parseTtl(text: string, minimumMs: number): number {
  const ttlMs = parseDurationMs(text);
  if (ttlMs === null) {
    throw new ApiError({ code: 'invalid_ttl', message: 'ttl must be a duration such as "90m" or "24h".', details: { field: 'ttl' } });
  }
  if (ttlMs < minimumMs) {
    throw new ApiError({
      code: 'ttl_too_short',
      message: `ttl must be ${formatDuration(minimumMs)} or longer.`,
      details: { field: 'ttl', minimum: formatDuration(minimumMs) },
    });
  }
  return ttlMs;
}

/** What is asked for, or what the plan gives; a plan with a default life allows no longer one at the start. */
export function ttlFor(text: string | undefined, plan: Plan, minimumMs: number): number | null {
  if (text === undefined) return plan.ttlMs;
  const ttlMs = parseTtl(text, minimumMs);
  const longestMs = plan.ttlMs ?? plan.maxTtlMs;
  if (longestMs !== null && ttlMs > longestMs) {
    throw new ApiError({
      code: 'ttl_too_long',
      message: `ttl must be ${formatDuration(longestMs)} or shorter on the ${plan.key} plan.`,
      details: { field: 'ttl', maximum: formatDuration(longestMs), tier: plan.key },
    });
  }
  return ttlMs;
}

/** In a spec, absent means unlimited; in a plan, -1 does. */
export function limitsFor(plan: Plan, kind: ResourceKind): ResourceLimits {
  const limits: ResourceLimits = { connections: connectionsLimit(plan, kind), ...ownLimits(plan, kind) };
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== UNLIMITED));
}

function ownLimits(plan: Plan, kind: ResourceKind): ResourceLimits {
  const size = storageLimitMb(plan, kind);
  switch (kind) {
    case 'postgres':
      return { storageMb: size, tempFileMb: plan.postgresTempFileMb, statementTimeoutMs: plan.postgresStatementTimeoutMs };
    case 'vector':
      return { storageMb: size, tempFileMb: plan.vectorTempFileMb, statementTimeoutMs: plan.vectorStatementTimeoutMs };
    case 'redis':
      return { memoryMb: size, commandsPerDay: plan.redisCommandsPerDay };
    case 'mongodb':
      return { storageMb: size, opsPerMinute: plan.mongodbOpsPerMinute };
    case 'queue':
      return {
        storageMb: size,
        streams: plan.queueStreams,
        consumersPerStream: plan.queueConsumersPerStream,
        messageKb: plan.queueMessageKb,
      };
    case 'storage':
      return { storageMb: size };
    case 'webhook':
      return {
        requestsStored: size,
        ...(plan.webhookRingMb === null ? {} : { ringMb: plan.webhookRingMb }),
        bodyKb: plan.webhookBodyKb,
        mbPerMinute: plan.webhookMbPerMinute,
      };
  }
}

/** What the schema of the kind lets through, and nothing where the caller chose nothing. */
function optionsFor({ dimensions, engine }: ProvisionInput): ResourceOptions {
  return { ...(dimensions === undefined ? {} : { dimensions }), ...(engine === undefined ? {} : { engine }) };
}

/** What an operator has set for this caller comes before the plan. */
export function quotaFor(
  policies: Pick<Policies, 'figure'>,
  { plan, kind, owner, exempt }: { plan: Plan; kind: ResourceKind; owner: Owner; exempt: boolean },
): ReservationQuota {
  if (exempt) {
    return { kindCount: UNLIMITED, provisionsPerDay: UNLIMITED };
  }
  const subject = owner.type === 'team' ? { teamId: owner.teamId } : { fingerprint: owner.fingerprint };
  return {
    kindCount: policies.figure(`resource_count_${kind}`, subject) ?? plan.resourceCountLimit[kind],
    provisionsPerDay: policies.figure('provisions_per_day', subject) ?? plan.provisionsPerDay,
  };
}

export interface SpecRequest {
  kind: ResourceKind;
  input: ProvisionInput;
  caller: TenantCaller;
  plans: Plans;
  policies: Pick<Policies, 'figure'>;
  loopbackExempt: boolean;
  requestId: string;
}

/** All of a spec but its id and generation, which the idempotency key decides. */
export type SpecDraft = Omit<ResourceSpec, 'resourceId' | 'generation'>;

export function draftSpec({ kind, input, caller, plans, policies, loopbackExempt, requestId }: SpecRequest): SpecDraft {
  const plan = plans.byTier(tierOf(caller));
  const ttlMs = ttlFor(input.ttl, plan, plans.minimumTtlMs);
  if (input.dedicated === true && !plan.dedicatedBackends) {
    throw new ApiError({
      code: 'upgrade_required',
      message: `dedicated is not part of the ${plan.key} plan. Leave it out, or upgrade.`,
      details: { field: 'dedicated', tier: plan.key },
    });
  }
  return {
    kind,
    name: input.name,
    env: input.env,
    owner: ownerOf(caller),
    policy: plans.policyFor(tierOf(caller)),
    limits: limitsFor(plan, kind),
    options: optionsFor(input),
    quota: quotaFor(policies, {
      ...{ plan, kind, owner: ownerOf(caller) },
      exempt: caller.type === 'anonymous' && caller.address.loopback && loopbackExempt,
    }),
    ttlMs,
    labels: input.labels ?? {},
    parentResourceId: input.parent_resource_id ?? null,
    notifyWebhook: input.notify_webhook === undefined ? null : new URL(input.notify_webhook).href,
    actor: actorOf(caller),
    requestId,
  };
}
