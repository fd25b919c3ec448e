// How a resource's workflow is started: what an operator sees of it, and its fair share. Pure.
import { createHash } from 'node:crypto';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { formatDuration } from '../../shared/plans';
import { LIFECYCLE_TASK_QUEUE, type Owner, type ResourceSpec } from '../../shared/resourcetype';
import { type ResourceMemo, resourceWorkflowId } from '../../workflows/resource/messages';

const KIND = defineSearchAttributeKey('Kind', SearchAttributeType.KEYWORD);
const STATUS = defineSearchAttributeKey('Status', SearchAttributeType.KEYWORD);
const TEAM_ID = defineSearchAttributeKey('TeamId', SearchAttributeType.KEYWORD);
const TIER = defineSearchAttributeKey('Tier', SearchAttributeType.KEYWORD);

const FAIRNESS_KEY_BYTES = 64;

/** Teams share fairly among each other, and so do the networks of anonymous callers. */
export function fairnessKey(owner: Owner): string {
  const key = owner.type === 'team' ? owner.teamId : owner.fingerprint;
  return Buffer.byteLength(key) <= FAIRNESS_KEY_BYTES ? key : createHash('sha256').update(key).digest('hex');
}

/** `postgres "orders" · anonymous · 24h` */
export function staticSummary(spec: ResourceSpec): string {
  const life = spec.ttlMs === null ? 'no expiry' : formatDuration(spec.ttlMs);
  return `${spec.kind} ${JSON.stringify(spec.name)} · ${spec.policy.tier} · ${life}`;
}

/**
 * Expiry and backend are not here: the workflow's clock fixes the one and `reserve` the other, and its first transition publishes both.
 */
export function startOptions(spec: ResourceSpec) {
  const memo: ResourceMemo = { status: 'pending', nextStep: 'reserve', nextStepAt: null };
  return {
    workflowId: resourceWorkflowId(spec.resourceId),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ spec }] as [{ spec: ResourceSpec }],
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const,
    staticSummary: staticSummary(spec),
    memo: { ...memo },
    typedSearchAttributes: [
      { key: KIND, value: spec.kind },
      { key: STATUS, value: 'pending' },
      { key: TEAM_ID, value: spec.owner.type === 'team' ? spec.owner.teamId : 'anonymous' },
      { key: TIER, value: spec.policy.tier },
    ],
    priority: { fairnessKey: fairnessKey(spec.owner), fairnessWeight: spec.policy.fairnessWeight },
  };
}
