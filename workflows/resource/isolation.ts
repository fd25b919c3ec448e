// The move of a resource from an open server to an account of its own, step by step; the row says how far it came, so that whichever run
// has it goes on from there.
import { condition } from '@temporalio/workflow';
import type { ConnectionDetails } from '../../activities/backend';
import type { ResourceEventDraft } from '../../activities/platform/types';
import { isLive, type StatusEvent } from '../../shared/resourcestatus';
import type { ResourceMove, ResourceRow } from '../../shared/resourcetype';
import type { Effect } from './commands';
import { INACTIVE, LATER, type Refusal } from './failures';
import { nextLadderStep } from './ladder';
import type { CommandOutcome, QueuedCommand } from './messages';
import { chooseIsolation } from './steps';
import { viewOf } from './view';

const RETRY_MS = 60_000;

/** What the move needs of the loop that alone acts and writes the row. */
export interface MovingResource {
  row(): ResourceRow;
  /** How often the row turned out to stand elsewhere; a decision made before that is made again. */
  moves(): number;
  /** A deletion, or a command besides the one that is being carried out. */
  hasMoreToDo(): boolean;
  runEffect(effect: Effect, target: ResourceRow, onDone?: (details: ConnectionDetails) => void): Promise<Refusal | typeof LATER | null>;
  change(
    patch: Partial<ResourceRow>,
    statusEvent: StatusEvent | null,
    event: ResourceEventDraft,
    by?: QueuedCommand,
    details?: ConnectionDetails,
  ): Promise<boolean>;
}

export class Isolation {
  constructor(private readonly resource: MovingResource) {}

  /** The command itself. Null: not done, to be decided again. */
  async isolate(queued: QueuedCommand): Promise<CommandOutcome | null> {
    if (!this.resource.row().moving) {
      const { resourceId } = this.resource.row();
      const answer = await chooseIsolation({ resourceId });
      if (answer.outcome === 'refused') return { ok: false, code: answer.code, message: answer.message, details: {} };
      const moving: ResourceMove = { phase: 'copying', backendName: answer.backendName };
      if (!(await this.resource.change({ moving }, null, { type: 'resource.isolating', data: {} }, queued))) return null;
    }
    const refusal = await this.moveOn(queued);
    if (refusal === LATER) return null;
    return refusal === null ? { ok: true, view: viewOf(this.resource.row()) } : { ok: false, ...refusal };
  }

  /** What is due meanwhile comes first: an expiry cuts, and nothing is copied after it. */
  mayMove(row: ResourceRow): boolean {
    return isLive(row.status) && nextLadderStep(row, row.policy.rungsMs, Date.now()).type !== 'expire';
  }

  async moveOn(by?: QueuedCommand): Promise<Refusal | typeof LATER | null> {
    const { moving } = this.resource.row();
    if (!moving) return null;
    if (moving.phase === 'copying') {
      const refusal = await this.copy(moving.backendName, by);
      if (refusal !== null) return refusal;
    }
    return await this.leaveOpenServer();
  }

  private async copy(targetName: string, by: QueuedCommand | undefined): Promise<Refusal | typeof LATER | null> {
    const row = this.resource.row();
    const moves = this.resource.moves();
    let details: ConnectionDetails | undefined;
    const refusal = await this.resource.runEffect({ type: 'copyToIsolated', targetName }, row, (given) => {
      details = given;
    });
    if (refusal === LATER || this.resource.moves() !== moves) return LATER;
    if (refusal === INACTIVE) return refusal;
    if (refusal !== null) return await this.abandonCopy(targetName, refusal, by);
    const version = row.credentialVersion + 1;
    const moving: ResourceMove = { phase: 'leaving', backendName: row.backendName };
    const patch = { backendName: targetName, moving, credentialVersion: version, retiring: null };
    const written = await this.resource.change(patch, null, { type: 'resource.isolated', data: { version } }, by, details);
    return written ? null : LATER;
  }

  /** The copy goes, and what is on the open server takes writes again as far as it did before. */
  private async abandonCopy(targetName: string, refusal: Refusal, by: QueuedCommand | undefined): Promise<Refusal | typeof LATER> {
    const moves = this.resource.moves();
    const { readOnlyByQuota } = this.resource.row();
    for (const effect of [
      { type: 'removeFrom', backendName: targetName },
      { type: 'setReadOnly', readOnly: readOnlyByQuota },
    ] as const) {
      const undone = await this.resource.runEffect(effect, this.resource.row());
      if (undone === LATER || this.resource.moves() !== moves) return LATER;
      if (undone !== null) return await this.retryMoveLater(undone);
    }
    const { code, message } = refusal;
    const written = await this.resource.change(
      { moving: null },
      null,
      { type: 'resource.isolation_abandoned', data: { code, message } },
      by,
    );
    return written ? refusal : LATER;
  }

  private async leaveOpenServer(): Promise<Refusal | typeof LATER | null> {
    const row = this.resource.row();
    if (row.moving?.phase !== 'leaving') return null;
    const moves = this.resource.moves();
    const refusal = await this.resource.runEffect({ type: 'removeFrom', backendName: row.moving.backendName }, row);
    if (refusal === LATER || this.resource.moves() !== moves) return LATER;
    if (refusal === INACTIVE) return refusal;
    if (refusal !== null) return await this.retryMoveLater(refusal);
    return (await this.resource.change({ moving: null }, null, { type: 'resource.open_streams_removed', data: {} })) ? null : LATER;
  }

  /** A person must mend something first: the row keeps the move, which is tried again. */
  private async retryMoveLater(refusal: Refusal): Promise<Refusal> {
    await condition(() => this.resource.hasMoreToDo(), RETRY_MS, { summary: 'retry the move' });
    return refusal;
  }
}
