// What others see of a resource: the view that commands answer, the memo, and the panel in the Temporal UI.
import { statusFromFacts } from '../../shared/resourcestatus';
import type { ResourceRow } from '../../shared/resourcetype';
import { nextLadderStep } from './ladder';
import type { ResourceView } from './messages';

const iso = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : new Date(ms).toISOString());

export function viewOf(row: ResourceRow): ResourceView {
  return {
    resourceId: row.resourceId,
    status: row.status,
    revision: row.revision,
    expiresAt: iso(row.expiresAtMs),
    previousCredentialValidUntil: iso(row.retiring?.untilMs),
    suspendedReason: row.suspendedReason,
  };
}

export interface NextStep {
  label: string;
  atMs: number | null;
}

/** When the data of an expired resource goes; only meaningful once it is expired. */
export function graceEndMs(row: ResourceRow): number {
  return (row.expiresAtMs ?? 0) + row.policy.graceMs;
}

/** The next thing that happens by itself, and when. */
export function nextStepOf(row: ResourceRow, nowMs: number): NextStep {
  if (row.status === 'expired') return { label: 'delete', atMs: graceEndMs(row) };
  if (row.status === 'pending') return { label: 'provision', atMs: null };
  if (row.status === 'deleting' || row.status === 'delete_failed') return { label: 'delete', atMs: null };
  if (row.status === 'deleted' || row.status === 'failed') return { label: 'none', atMs: null };
  const ladder = nextLadderStep(row, row.policy.rungsMs, nowMs);
  const step: NextStep =
    ladder.type === 'sleep'
      ? { label: ladder.next, atMs: ladder.untilMs }
      : { label: ladder.type === 'none' ? 'none' : ladder.type, atMs: ladder.type === 'none' ? null : nowMs };
  if (row.retiring !== null && (step.atMs === null || row.retiring.untilMs < step.atMs)) {
    return { label: 'retire credentials', atMs: row.retiring.untilMs };
  }
  return step;
}

/** The panel that operators read while the workflow runs; markdown. */
export function currentDetails(row: ResourceRow, step: NextStep, lastError: string | null): string {
  const access = statusFromFacts(row);
  const rows: [string, string][] = [
    ['status', row.status === 'expired' ? `expired (was ${access})` : row.status],
    ['owner', `${row.owner.type === 'team' ? `team ${row.owner.teamId}` : 'anonymous'} (${row.policy.tier})`],
    ['expires', iso(row.expiresAtMs) ?? 'never'],
    ['next', step.atMs === null ? step.label : `${step.label} at ${iso(step.atMs)}`],
    ['backend', `${row.backendName} / ${row.objectName}`],
    ['last error', lastError ?? 'none'],
  ];
  if (row.suspendedReason !== null) rows.splice(1, 0, ['suspended', row.suspendedReason]);
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value.replaceAll('|', '/').replaceAll('\n', ' ')} |`)].join(
    '\n',
  );
}
