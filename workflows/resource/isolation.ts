// The move of a resource from an open server to an account of its own, step by step; the row says how far it came, so that whichever run
// has it goes on from there.
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
const COPY_LEFT: Refusal = {
  code: 'temporarily_unavailable',
  message: 'The copy of a move that was abandoned must go first, and its backend did not remove it; that is tried again each minute.',
  details: {},
};

/** What the move needs of the loop that alone acts and writes the row. */
export interface MovingResource {
  row(): ResourceRow;
  /** How often the row turned out to stand elsewhere; a decision made before that is made again. */
  moves(): number;
  runEffect(effect: Effect, target: ResourceRow, onDone?: (details: ConnectionDetails) => void): Promise<Refusal | typeof LATER | null>;
  change(
    patch: Partial<ResourceRow>,
    statusEvent: StatusEvent | null,
    event: ResourceEventDraft,
    by?: Pick<QueuedCommand, 'actor' | 'requestId'> & Partial<QueuedCommand>,
    details?: ConnectionDetails,
  ): Promise<boolean>;
}

/** What a step answers: refused, left to be decided again, or done. */
type Step = Refusal | typeof LATER | null;

export class Isolation {
  /** Not carried along: a new run tries at once. */
  private againAtMs = 0;

  constructor(private readonly resource: MovingResource) {}

  /** The command itself, done once the resource is in its account. Null: not done, to be decided again. */
  async isolate(queued: QueuedCommand): Promise<CommandOutcome | null> {
    const refusal = await this.untilIsolated(queued);
    if (refusal === LATER) return null;
    return refusal === null ? { ok: true, view: viewOf(this.resource.row()) } : { ok: false, ...refusal };
  }

  /** What is due meanwhile comes first: an expiry cuts, and nothing is copied after it; old credentials end when it was said. */
  isDue(row: ResourceRow, nowMs: number): boolean {
    if (!row.moving || !isLive(row.status) || nowMs < this.againAtMs) return false;
    if (row.retiring !== null && row.retiring.untilMs <= nowMs) return false;
    return nextLadderStep(row, row.policy.rungsMs, nowMs).type !== 'expire';
  }

  /** When a move that cannot go on is tried again; null = there is none. */
  nextTryAtMs(row: ResourceRow): number | null {
    return row.moving && isLive(row.status) ? this.againAtMs : null;
  }

  /** One step. What is refused, a person must mend first: the row keeps the move, and everything else goes on until the next try. */
  async moveOn(): Promise<void> {
    if (this.resource.row().moving?.phase === 'copying') await this.copy();
    else await this.removeRest();
  }

  private async untilIsolated(queued: QueuedCommand): Promise<Step> {
    if (this.resource.row().moving?.phase === 'abandoning') {
      const step = await this.removeRest();
      if (step === LATER || step === INACTIVE) return step;
      if (step !== null) return COPY_LEFT;
    }
    if (!this.resource.row().moving) {
      const answer = await chooseIsolation({ resourceId: this.resource.row().resourceId });
      if (answer.outcome === 'refused') return { code: answer.code, message: answer.message, details: {} };
      const moving: ResourceMove = { phase: 'copying', backendName: answer.backendName };
      // Without the command's id: an event that has it says what became of the command.
      const { actor, requestId } = queued;
      if (!(await this.resource.change({ moving }, null, { type: 'resource.isolating', data: {} }, { actor, requestId }))) return LATER;
    }
    return this.resource.row().moving?.phase === 'copying' ? await this.copy(queued) : null;
  }

  private async copy(by?: QueuedCommand): Promise<Step> {
    const row = this.resource.row();
    const targetName = row.moving?.backendName ?? '';
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

  /** Writes are taken again before anything else, however the target is; the row then keeps every late attempt from copying. */
  private async abandonCopy(targetName: string, refusal: Refusal, by: QueuedCommand | undefined): Promise<Refusal | typeof LATER> {
    const moves = this.resource.moves();
    const undone = await this.takeWritesAgain();
    if (undone === LATER || this.resource.moves() !== moves) return LATER;
    if (undone === INACTIVE) return undone;
    const { code, message } = refusal;
    const moving: ResourceMove = { phase: 'abandoning', backendName: targetName };
    const written = await this.resource.change({ moving }, null, { type: 'resource.isolation_abandoned', data: { code, message } }, by);
    return written ? refusal : LATER;
  }

  /** As far as it did before the move. */
  private async takeWritesAgain(): Promise<Step> {
    const row = this.resource.row();
    return await this.resource.runEffect({ type: 'setReadOnly', readOnly: row.readOnlyByQuota, fewTries: true }, row);
  }

  /** What is on the backend that the resource is not on. */
  private async removeRest(): Promise<Step> {
    const { moving } = this.resource.row();
    if (!moving || moving.phase === 'copying') return null;
    const moves = this.resource.moves();
    // A late attempt may have refused them once more before the row kept it from doing so.
    const undone = moving.phase === 'abandoning' ? await this.takeWritesAgain() : null;
    const step = undone ?? (await this.resource.runEffect({ type: 'removeFrom', backendName: moving.backendName }, this.resource.row()));
    if (step === LATER || this.resource.moves() !== moves) return LATER;
    if (step !== null) {
      this.againAtMs = Date.now() + RETRY_MS;
      return step;
    }
    const type = moving.phase === 'abandoning' ? 'resource.copy_removed' : 'resource.open_streams_removed';
    return (await this.resource.change({ moving: null }, null, { type, data: {} })) ? null : LATER;
  }
}
