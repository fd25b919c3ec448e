// One resource from its first second to its last. Handlers only queue; this loop alone acts and writes the row.
import { ApplicationFailure } from '@temporalio/common';
import { allHandlersFinished, CancellationScope, condition, isCancellation, log, sleep, workflowInfo } from '@temporalio/workflow';
import type { ConnectionDetails } from '../../activities/backend';
import type { ResourceEventDraft, WrittenEvent } from '../../activities/platform/types';
import { INTERNAL_FAILURE, isErrorCode } from '../../shared/errors';
import { rungLabel } from '../../shared/plans/types';
import { isLive, isTerminal, type StatusEvent } from '../../shared/resourcestatus';
import type { ActorRef, ResourceRow } from '../../shared/resourcetype';
import { onBehalfOf, startIsDone } from '../context/calls';
import { type Decision, decide, type Effect, patched } from './commands';
import { describeFailure, INACTIVE, LATER, type Refusal, refusalOf } from './failures';
import { Isolation } from './isolation';
import { afterWarning, nextLadderStep } from './ladder';
import type {
  Command,
  CommandOutcome,
  DeleteRequest,
  ProcessedCommand,
  QueuedCommand,
  ReadyAnswer,
  ResourceInput,
  ResourceOutcome,
  ResourceState,
} from './messages';
import { Publisher } from './publish';
import { applyEffect, type ProvisionStep, provision, reserve, transition, unmake } from './steps';
import { graceEndMs, nextStepOf, viewOf } from './view';

const SYSTEM: ActorRef = { type: 'system', id: 'lifecycle' };
/** How many answered commands are remembered, across continue-as-new, to answer their repeats. */
const REMEMBERED_COMMANDS = 200;
const DELETE_RETRY_MS = 60_000;
/**
 * A workflow task ends after so many commands, or so long, however many are waiting: the server takes a task back, with all its work,
 * when a hundred messages came in meanwhile. Time goes on within a task with each local activity.
 */
const COMMANDS_A_TASK = 8;
const TASK_MS = 100;
/** So many commands are finished before a new run; whoever still waits then is answered "accepted", and the next run goes on. */
const COMMANDS_WHILE_DRAINING = 16;

export class ResourceEntity {
  private row: ResourceRow | null;
  private queue: QueuedCommand[];
  private readonly processed: Map<string, CommandOutcome>;
  private deleteRequest: DeleteRequest | null;
  private commandSequence: number;
  private ready: { ok: true } | ({ ok: false } & Refusal) | null = null;
  private rejection: Refusal | null = null;
  private draining = false;
  private handedOver = false;
  private task = { historyLength: 0, startedAtMs: 0, commands: 0 };
  private superseded = false;
  /** How often the row turned out to stand elsewhere; a decision made before that is made again. */
  private moves = 0;
  private lastError: string | null = null;
  private provisionScope: CancellationScope | null = null;
  private readonly publisher = new Publisher();
  private readonly isolation = new Isolation({
    row: () => this.mustRow(),
    moves: () => this.moves,
    runEffect: (effect, target, onDone) => this.runEffect(effect, target, onDone),
    change: (...written) => this.change(...written),
  });

  constructor(private readonly input: ResourceInput) {
    const { snapshot } = input;
    this.row = snapshot?.row ?? null;
    this.queue = [...(snapshot?.queue ?? [])];
    this.processed = new Map((snapshot?.processed ?? []).map((entry) => [entry.commandId, entry.outcome]));
    this.deleteRequest = snapshot?.deleteRequest ?? null;
    this.commandSequence = snapshot?.commandSequence ?? 0;
    if (this.row !== null && !isGoing(this.row)) this.ready = { ok: true };
  }

  // --- What handlers call -----------------------------------------------------------------------------------------

  requestDelete(request: DeleteRequest): void {
    this.deleteRequest ??= request;
    this.provisionScope?.cancel();
  }

  /** A refusal that is certain already, for validators: it costs no history. Null = queue it. */
  refusalNow(command: Omit<QueuedCommand, 'bySignal'>): Refusal | null {
    if (this.draining) return { code: 'draining', message: 'The resource is being moved to a new run; try again.', details: {} };
    if (this.processed.has(command.commandId)) return null;
    if (this.deleteRequest !== null) return INACTIVE;
    if (this.row === null || this.row.status === 'pending' || this.queue.length > 0) return null;
    const decision = this.decide(this.row, command);
    return decision.type === 'refuse' ? decision : null;
  }

  enqueue(command: QueuedCommand): void {
    if (this.processed.has(command.commandId) || this.queue.some((queued) => queued.commandId === command.commandId)) return;
    this.queue.push(command);
  }

  nextSignalId(): string {
    this.commandSequence += 1;
    return `signal-${this.commandSequence}`;
  }

  outcomeOf(commandId: string): CommandOutcome | undefined {
    return this.processed.get(commandId);
  }

  /** True when a command need not be waited for any longer: it is done, or the next run does it. */
  isAnswered(commandId: string): boolean {
    return this.handedOver || this.processed.has(commandId);
  }

  /** The row must exist: a command is answered only after `reserve`. */
  currentRow(): ResourceRow | null {
    return this.row;
  }

  async waitReady(): Promise<ReadyAnswer | Refusal> {
    await condition(() => this.ready !== null);
    if (this.ready?.ok && this.row !== null) return { view: viewOf(this.row), fromPool: this.row.fromPool };
    return this.ready !== null && !this.ready.ok ? this.ready : INACTIVE;
  }

  state(): ResourceState {
    const step = this.row === null ? null : nextStepOf(this.row, Date.now());
    return {
      row: this.row,
      nextStep: step?.label ?? 'reserve',
      nextStepAt: step?.atMs ? new Date(step.atMs).toISOString() : null,
      queued: this.queue.length,
      deleteRequested: this.deleteRequest !== null,
      lastError: this.lastError,
    };
  }

  // --- The loop ---------------------------------------------------------------------------------------------------

  /** Lives until closed, or until the server suggests a new run. Never throws for a reason that is the resource's. */
  async live(): Promise<'continue' | 'closed'> {
    if (this.row === null && !(await this.reserveRow())) return 'closed';
    for (;;) {
      const row = this.mustRow();
      if (row.status !== 'pending') startIsDone(this.ready?.ok === false ? this.ready.message : null);
      if (this.superseded || isTerminal(row.status)) return this.settle();
      if (isGoing(row) && workflowInfo().continueAsNewSuggested) {
        // Its rounds of retries have no end, a history has.
        await condition(allHandlersFinished);
        return 'continue';
      }
      if (this.deleteRequest !== null || isGoing(row)) await onBehalfOf(this.deleteRequest?.requestId ?? null, () => this.remove());
      else if (row.status === 'pending') await this.provisionRow();
      else if (this.movesOnNow()) {
        if (await this.drain()) return 'continue';
      } else if (this.queue.length > 0) await this.processNext();
      else if (this.isolation.isDue(row, Date.now())) await this.isolation.moveOn();
      else await this.nextTimedStep();
    }
  }

  /**
   * A continue-as-new fails when a message comes in while it is on its way, and is tried again from the whole history, which takes
   * longer: under fire no repeated attempt would get through. So only every other task tries it; the one in between does ordinary
   * work, after which the run is in the worker's cache again and the next attempt is short.
   */
  private movesOnNow(): boolean {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return continueAsNewSuggested && (this.queue.length === 0 || historyLength % 2 === 0);
  }

  /** True when this task has done its share; the next one is here already then. */
  private async endTaskWhenDue(): Promise<boolean> {
    const { historyLength } = workflowInfo();
    const nowMs = Date.now();
    if (this.task.historyLength !== historyLength) this.task = { historyLength, startedAtMs: nowMs, commands: 0 };
    const { commands, startedAtMs } = this.task;
    this.task.commands += 1;
    if (commands === 0 || (commands < COMMANDS_A_TASK && nowMs - startedAtMs < TASK_MS)) return false;
    await this.nextTask();
    return true;
  }

  private async nextTask(): Promise<void> {
    const { historyLength } = workflowInfo();
    await condition(() => workflowInfo().historyLength !== historyLength, 1, { summary: 'next task' });
  }

  /** Null when something came in since `live` said "continue"; must be used in the same synchronous step as continueAsNew. */
  inputForNextRun(): ResourceInput | null {
    const lateDelete = this.deleteRequest !== null && this.row !== null && !isGoing(this.row);
    if (this.row === null || lateDelete || !allHandlersFinished()) {
      this.draining = false;
      this.handedOver = false;
      return null;
    }
    const processed: ProcessedCommand[] = [...this.processed].map(([commandId, outcome]) => ({ commandId, outcome }));
    const { queue, row, deleteRequest, commandSequence } = this;
    return { spec: this.input.spec, snapshot: { row, queue, processed, deleteRequest, commandSequence } };
  }

  outcome(): ResourceOutcome {
    if (this.superseded) return { outcome: 'superseded' };
    if (this.rejection !== null) return { outcome: 'rejected', code: this.rejection.code };
    return { outcome: this.row?.status === 'failed' ? 'failed' : 'deleted' };
  }

  private async reserveRow(): Promise<boolean> {
    const { spec } = this.input;
    const startedAtMs = workflowInfo().startTime.getTime();
    const answer = await reserve({
      spec,
      ownerRun: workflowInfo().firstExecutionRunId,
      workflowStartedAtMs: startedAtMs,
      expiresAtMs: spec.ttlMs === null ? null : startedAtMs + spec.ttlMs,
    });
    if (answer.outcome === 'rejected') {
      this.rejection = answer;
      this.ready = { ok: false, code: answer.code, message: answer.message, details: answer.details };
      this.settle();
      return false;
    }
    this.row = answer.row;
    if (answer.outcome === 'terminal') {
      this.settle();
      return false;
    }
    if (this.row.status !== 'pending') this.ready = { ok: true };
    return true;
  }

  private async provisionRow(): Promise<void> {
    const row = this.mustRow();
    const made: ProvisionStep[] = [];
    const scope = new CancellationScope();
    this.provisionScope = scope;
    try {
      await scope.run(() => provision(row, made));
    } catch (error) {
      if (this.deleteRequest !== null) return;
      await this.failProvision(error, made);
      return;
    } finally {
      this.provisionScope = null;
    }
    if (this.deleteRequest !== null) return;
    const written = await this.change({ coveredMs: row.coveredMs }, 'provisioned', {
      type: 'resource.active',
      data: { from_pool: row.fromPool },
    });
    if (written) this.ready = { ok: true };
  }

  /** Waiters hear of it at once; the status stays pending until everything that was made is unmade. */
  private async failProvision(error: unknown, made: ProvisionStep[]): Promise<void> {
    const failure = describeFailure(error);
    this.lastError = failure.message;
    if (failure.type === INTERNAL_FAILURE.fenced || failure.type === INTERNAL_FAILURE.superseded) this.superseded = true;
    const refusal = refusalOf(failure);
    this.ready = { ok: false, ...refusal };
    log.warn('provisioning gave up', { code: refusal.code, error: failure.message });
    if (this.superseded) return;
    await this.unmakeUntilGone(() => this.deleteRequest !== null, made);
    if (this.deleteRequest !== null) return;
    await this.change({}, 'provision_failed', { type: 'resource.failed', data: { code: refusal.code, message: refusal.message } });
  }

  private async processNext(): Promise<void> {
    const queued = this.queue[0];
    if (queued === undefined || (await this.endTaskWhenDue())) return;
    if (this.processed.has(queued.commandId)) {
      this.queue.shift();
      return;
    }
    const decision = this.decide(this.mustRow(), queued);
    const outcome = await onBehalfOf(queued.requestId, () => this.carryOut(decision, queued));
    // Null: not done, and to be decided again, unless a lost attempt turns out to have done it.
    if (outcome === null || this.superseded) return;
    const announced = outcome.ok || !queued.bySignal || !isLive(this.mustRow().status) || (await this.announceRefusal(queued, outcome));
    if (!announced) return;
    this.queue.shift();
    this.remember(queued.commandId, outcome);
    // What `change` left unshown while more was waiting, and what came after it was refused.
    if (this.queue.length === 0) this.publish();
  }

  private async announceRefusal(queued: QueuedCommand, outcome: Refusal): Promise<boolean> {
    const data = { command: queued.command.type, code: outcome.code, message: outcome.message };
    return await this.change({}, null, { type: 'resource.command_refused', data }, queued);
  }

  private async carryOut(decision: Decision, queued: QueuedCommand): Promise<CommandOutcome | null> {
    if (decision.type === 'refuse') return { ok: false, code: decision.code, message: decision.message, details: decision.details };
    if (decision.type === 'isolate') return await this.isolation.isolate(queued);
    if (decision.type === 'nothing') return { ok: true, view: viewOf(this.mustRow()) };
    const moves = this.moves;
    for (const effect of decision.effects) {
      const refusal = await this.runEffect(effect, { ...this.mustRow(), ...decision.patch });
      if (refusal === LATER || this.moves !== moves) return null;
      if (refusal !== null) return { ok: false, ...refusal };
    }
    try {
      const written = await this.change(decision.patch, decision.statusEvent, decision.event, queued);
      return written ? { ok: true, view: viewOf(this.mustRow()) } : null;
    } catch (error) {
      // The database will not have it, now or ever; the resource lives on without it.
      const failure = describeFailure(error);
      if (!isErrorCode(failure.type)) throw error;
      if (failure.type === 'internal_error') log.error('a change cannot be stored', { event: decision.event.type });
      const limited = decision.effects.some((effect) => effect.type === 'applyLimits');
      if (queued.command.type === 'claim' && limited && !(await this.takeBackLimits())) return null;
      return { ok: false, code: failure.type, message: failure.message, details: failure.details };
    }
  }

  /** A claim that its team has no slot for, or whose team is gone, leaves the backend as it was. False = to be decided again. */
  private async takeBackLimits(): Promise<boolean> {
    const moves = this.moves;
    const refusal = await this.runEffect({ type: 'applyLimits' }, this.mustRow());
    return refusal !== LATER && this.moves === moves;
  }

  /** Runs one effect to its end while warnings go on; a delete or the expiry interrupts it. */
  private async runEffect(
    effect: Effect,
    target: ResourceRow,
    onDone: (details: ConnectionDetails) => void = () => {},
  ): Promise<Refusal | typeof LATER | null> {
    const scope = new CancellationScope();
    let settled: { error: unknown } | { error?: undefined } | null = null;
    const isSettled = () => settled !== null;
    // Everyone was answered "accepted": the next run takes the command over.
    const movesOn = () => this.draining && allHandlersFinished();
    const work = scope
      .run(() => applyEffect(target, effect))
      .then(
        (details) => {
          if (details) onDone(details);
          settled = {};
        },
        (error: unknown) => {
          settled = { error };
        },
      );
    while (!isSettled()) {
      const row = this.mustRow();
      const step = nextLadderStep(row, row.policy.rungsMs, Date.now());
      const overdue = row.status !== 'expired' && step.type === 'expire';
      if (this.deleteRequest !== null || this.superseded || overdue || movesOn()) scope.cancel();
      if (scope.consideredCancelled) {
        await work;
        break;
      }
      if (step.type === 'warn' && isLive(row.status)) await this.warn(step.rungMs);
      else {
        const interrupted = () => isSettled() || this.deleteRequest !== null || movesOn();
        if (step.type === 'sleep') await condition(interrupted, step.untilMs - Date.now(), { summary: step.next });
        else await condition(interrupted);
      }
    }
    const error = (settled as { error?: unknown } | null)?.error;
    if (error === undefined) {
      this.lastError = null;
      return null;
    }
    if (isCancellation(error)) return movesOn() && this.deleteRequest === null ? LATER : INACTIVE;
    const failure = describeFailure(error);
    this.lastError = failure.message;
    log.error('the backend did not do it, and is not asked again for now', { effect: effect.type, error: failure.message });
    return refusalOf(failure);
  }

  /** Nothing is queued: retire, warn, expire, or sleep until one of those is due or something comes in. */
  private async nextTimedStep(): Promise<void> {
    const row = this.mustRow();
    const nowMs = Date.now();
    // Expiry before retirement: what is overdue interrupts every effect, so that retiring first would never come to an end.
    if (row.status === 'expired') {
      if (graceEndMs(row) <= nowMs) {
        this.requestDelete({ actor: SYSTEM, requestId: null, reason: 'expired' });
        return;
      }
    } else {
      const step = nextLadderStep(row, row.policy.rungsMs, nowMs);
      if (step.type === 'warn') return await this.warn(step.rungMs);
      if (step.type === 'expire') return await this.expire();
    }
    if (row.retiring !== null && row.retiring.untilMs <= nowMs) return await this.retire(row.retiring.version);
    this.publish();
    const againAtMs = this.isolation.nextTryAtMs(row);
    const step = nextStepOf(row, nowMs);
    const next = againAtMs === null || (step.atMs ?? againAtMs) < againAtMs ? step : { label: 'retry the move', atMs: againAtMs };
    const woken = () => this.queue.length > 0 || this.deleteRequest !== null;
    if (next.atMs === null) await condition(woken);
    else await condition(woken, Math.max(1, next.atMs - nowMs), { summary: next.label });
  }

  private async warn(rungMs: number): Promise<void> {
    const row = this.mustRow();
    await this.change({ coveredMs: afterWarning(row, rungMs).coveredMs }, null, {
      type: 'resource.expiring',
      data: { rung: rungLabel(rungMs), expires_at: row.expiresAtMs === null ? null : new Date(row.expiresAtMs).toISOString() },
    });
  }

  /** Access is cut and the data kept; where there is no grace, deletion cuts it. */
  private async expire(): Promise<void> {
    const row = this.mustRow();
    if (row.policy.graceMs > 0) {
      const scope = new CancellationScope();
      const cut = scope.run(() => applyEffect(row, { type: 'cut' }));
      let done = false;
      const settle = () => {
        done = true;
      };
      cut.then(settle, settle);
      const leftMs = Math.max(1, graceEndMs(row) - Date.now());
      await condition(() => done || this.deleteRequest !== null, leftMs, { summary: 'cut access' });
      scope.cancel();
      await cut.catch((error: unknown) => {
        this.lastError = describeFailure(error).message;
      });
      if (this.deleteRequest !== null) return;
    }
    await this.change({}, 'expired', { type: 'resource.expired', data: { grace_ends_at: new Date(graceEndMs(row)).toISOString() } });
  }

  private async retire(version: number): Promise<void> {
    const refusal = await this.runEffect({ type: 'retire', version }, this.mustRow());
    if (refusal !== null && (this.deleteRequest !== null || this.superseded || refusal === INACTIVE || refusal === LATER)) return;
    await this.change({ retiring: null }, null, { type: 'resource.credentials_retired', data: { version } });
  }

  /** The row first, then the backend, until nothing is left. */
  private async remove(): Promise<void> {
    if (this.ready === null || this.ready.ok) this.ready = { ok: false, ...INACTIVE };
    this.closeQueue();
    this.deleteRequest ??= { actor: SYSTEM, requestId: null, reason: 'resumed deletion' };
    const request = this.deleteRequest;
    if (this.mustRow().status !== 'deleting') {
      const event: ResourceEventDraft = { type: 'resource.deleting', data: { reason: request.reason } };
      if (!(await this.change({}, 'delete_started', event, request))) return;
    }
    const gone = await this.unmakeUntilGone(() => this.superseded || workflowInfo().continueAsNewSuggested);
    if (!gone || this.superseded) return;
    await this.change({ retiring: null }, 'deleted', { type: 'resource.deleted', data: { reason: request.reason } }, request);
  }

  /** Retries without end. While deleting, each round that fails is shown as `delete_failed`. */
  private async unmakeUntilGone(stop: () => boolean, steps?: ProvisionStep[]): Promise<boolean> {
    while (!stop()) {
      try {
        await unmake(this.mustRow(), steps);
        return true;
      } catch (error) {
        const failure = describeFailure(error);
        this.lastError = failure.message;
        log.error('could not remove the object from its backend; a person should look', { error: failure.message });
      }
      const stalls = this.mustRow().status === 'deleting';
      const stalled: ResourceEventDraft = { type: 'resource.delete_failed', data: { error: this.lastError } };
      if (stalls && !(await this.change({}, 'delete_stalled', stalled))) return false;
      await sleep(DELETE_RETRY_MS, { summary: 'retry delete' });
      const again: ResourceEventDraft = { type: 'resource.deleting', data: { reason: 'retry' } };
      if (stalls && !(await this.change({}, 'delete_started', again))) return false;
    }
    return false;
  }

  /** True once no handler is left waiting; what is still queued, and what still comes in by signal, travels to the next run. */
  private async drain(): Promise<boolean> {
    const interrupted = () => this.deleteRequest !== null || this.superseded;
    const { historyLength } = workflowInfo();
    let commands = 0;
    this.draining = true;
    while (!allHandlersFinished() && !interrupted() && !this.handedOver) {
      if (this.queue.length > 0) await this.processNext();
      commands += 1;
      if (commands === COMMANDS_WHILE_DRAINING) this.handOver();
      await condition(() => allHandlersFinished() || this.queue.length > 0 || interrupted());
    }
    await condition(() => allHandlersFinished() || interrupted());
    // After work the new run begins with a task of its own, which is short: see movesOnNow.
    if (commands > 0 && workflowInfo().historyLength === historyLength && !interrupted()) await this.nextTask();
    if (interrupted()) {
      this.draining = false;
      this.handedOver = false;
    }
    return this.draining;
  }

  /** Those who wait are told "accepted"; what comes of it shows in the row, and a refusal as an event. */
  private handOver(): void {
    this.handedOver = true;
    this.queue = this.queue.map((queued) => ({ ...queued, bySignal: true }));
  }

  // --- The row ----------------------------------------------------------------------------------------------------

  /**
   * One transition: the row with its event, outbox and audit rows, in one transaction. False when it was not written, because
   * another run owns the row (`superseded`) or because an attempt that was lost with its worker took the row elsewhere: the
   * server may give a repeated workflow task more messages than the first one had. Whoever calls looks at the row again.
   */
  private async change(
    patch: Partial<ResourceRow>,
    statusEvent: StatusEvent | null,
    event: ResourceEventDraft,
    by?: { actor: ActorRef; requestId: string | null; commandId?: string; command?: Command },
    details?: ConnectionDetails,
  ): Promise<boolean> {
    const kindCount = by?.command?.type === 'claim' ? by.command.kindCount : undefined;
    const next = patched(this.mustRow(), patch, statusEvent);
    const creation = statusEvent === 'provisioned' || statusEvent === 'provision_failed' ? this.input.spec : undefined;
    const cause = by ?? creation ?? { actor: SYSTEM, requestId: this.input.spec.requestId };
    const answer = await transition({
      ownerRun: workflowInfo().firstExecutionRunId,
      row: next,
      event,
      actor: cause.actor,
      requestId: cause.requestId,
      commandId: by?.commandId ?? null,
      atMs: Date.now(),
      ...(kindCount === undefined ? {} : { kindCount }),
      ...(details === undefined ? {} : { details }),
    });
    if (answer.outcome === 'superseded') {
      this.superseded = true;
      return false;
    }
    if (answer.outcome === 'moved') {
      this.moves += 1;
      this.row = answer.row;
      for (const written of answer.events) this.rememberWritten(written);
      if (this.row.status !== 'pending') this.ready ??= { ok: true };
      return false;
    }
    this.row = answer.row ?? next;
    // While more is waiting, only what everybody looks at is worth its events; the rest is shown when all is done.
    if (this.queue.length <= 1 || statusEvent !== null) this.publish();
    return true;
  }

  private publish(): void {
    this.publisher.publish(this.mustRow(), this.lastError);
  }

  private decide(row: ResourceRow, queued: Pick<QueuedCommand, 'command' | 'actor'>): Decision {
    return decide({ row, actor: queued.actor, nowMs: Date.now() }, queued.command);
  }

  private remember(commandId: string, outcome: CommandOutcome): void {
    this.processed.set(commandId, outcome);
    for (const oldest of this.processed.keys()) {
      if (this.processed.size <= REMEMBERED_COMMANDS) break;
      this.processed.delete(oldest);
    }
  }

  /** A lost attempt did this for a command, which must not take effect again. */
  private rememberWritten({ type, commandId, data }: WrittenEvent): void {
    if (commandId === null || this.processed.has(commandId)) return;
    const code = String(data.code);
    const isRefusal = type === 'resource.command_refused' || type === 'resource.isolation_abandoned';
    if (!isRefusal) this.remember(commandId, { ok: true, view: viewOf(this.mustRow()) });
    else
      this.remember(commandId, {
        ok: false,
        code: isErrorCode(code) ? code : 'internal_error',
        message: String(data.message),
        details: {},
      });
  }

  private closeQueue(): void {
    for (const queued of this.queue.splice(0)) this.remember(queued.commandId, { ok: false, ...INACTIVE });
  }

  /** Every waiter is answered on every way out, or the run could never close. */
  private settle(): 'closed' {
    this.ready ??= { ok: false, ...INACTIVE };
    this.closeQueue();
    return 'closed';
  }

  private mustRow(): ResourceRow {
    if (this.row === null) throw ApplicationFailure.nonRetryable('the resource has no row yet');
    return this.row;
  }
}

/** Under deletion, which no message ends. */
function isGoing(row: ResourceRow): boolean {
  return row.status === 'deleting' || row.status === 'delete_failed';
}
