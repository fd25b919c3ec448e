// What operators see of a running resource: search attributes, memo and the details panel of the Temporal UI.
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertMemo, upsertSearchAttributes } from '@temporalio/workflow';
import { isLive } from '../../shared/resourcestatus';
import type { ResourceRow } from '../../shared/resourcetype';
import { currentDetails, nextStepOf } from './view';

const STATUS = defineSearchAttributeKey('Status', SearchAttributeType.KEYWORD);
const TEAM_ID = defineSearchAttributeKey('TeamId', SearchAttributeType.KEYWORD);
const TIER = defineSearchAttributeKey('Tier', SearchAttributeType.KEYWORD);
const EXPIRES_AT = defineSearchAttributeKey('ExpiresAt', SearchAttributeType.DATETIME);
const BACKEND_NAME = defineSearchAttributeKey('BackendName', SearchAttributeType.KEYWORD);

export class Publisher {
  private published = '';

  /** Upserts only what changed: each upsert is an event in the history. */
  publish(row: ResourceRow, lastError: string | null): void {
    const nowMs = Date.now();
    const step = nextStepOf(row, nowMs);
    setCurrentDetails(currentDetails(row, step, lastError));
    const teamId = row.owner.type === 'team' ? row.owner.teamId : 'anonymous';
    const nextStepAt = step.atMs === null ? null : new Date(step.atMs).toISOString();
    const digest = JSON.stringify([row.status, row.expiresAtMs, teamId, row.policy.tier, row.backendName, step.label, nextStepAt]);
    // A step that is due this moment is about to change the row again.
    const transient = isLive(row.status) && step.atMs !== null && step.atMs <= nowMs;
    if (digest === this.published || transient) return;
    this.published = digest;
    upsertMemo({ status: row.status, nextStep: step.label, nextStepAt });
    upsertSearchAttributes([
      { key: STATUS, value: row.status },
      { key: TEAM_ID, value: teamId },
      { key: TIER, value: row.policy.tier },
      { key: BACKEND_NAME, value: row.backendName },
      { key: EXPIRES_AT, value: row.expiresAtMs === null ? null : new Date(row.expiresAtMs) },
    ]);
  }
}
