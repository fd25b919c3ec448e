// The resource workflow: set the handlers, then live. Everything it decides is in pure modules beside this one.
import type { UpdateDefinition } from '@temporalio/common';
import {
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  currentUpdateInfo,
  log,
  setHandler,
} from '@temporalio/workflow';
import type { ActorRef } from '../../shared/resourcetype';
import { actorOf, commandIdOf, deleteFrom, extendFrom, isWhole, OPERATOR, requestIdOf, storageFrom, suspendFrom } from './arguments';
import { ResourceEntity } from './entity';
import * as messages from './messages';
import { viewOf } from './view';

/** How long a command waits for its effect before it is answered as accepted (202). */
const COMMAND_WAIT_MS = 20_000;
const MALFORMED = { code: 'invalid_request', message: 'The command lacks a field, or has one of another type.', details: {} };

export async function resource(input: messages.ResourceInput): Promise<messages.ResourceOutcome> {
  const entity = new ResourceEntity(input);
  setUpdateHandlers(entity);
  setSignalHandlers(entity);
  setHandler(messages.stateQuery, () => entity.state(), { description: 'Row, next step and queue, for operators' });
  // A cancelled workflow is a deleted resource: nothing may be left behind.
  CancellationScope.current().cancelRequested.catch(() =>
    entity.requestDelete({ actor: OPERATOR, requestId: null, reason: 'workflow cancelled' }),
  );
  return await CancellationScope.nonCancellable(async () => {
    while ((await entity.live()) === 'continue') {
      const next = entity.inputForNextRun();
      if (next !== null) await continueAsNew<typeof resource>(next);
    }
    await condition(allHandlersFinished);
    return entity.outcome();
  });
}

function failure(refusal: { code: string; message: string; details: object }): ApplicationFailure {
  return ApplicationFailure.nonRetryable(refusal.message, refusal.code, refusal.details);
}

function setUpdateHandlers(entity: ResourceEntity): void {
  setHandler(
    messages.readyUpdate,
    () =>
      CancellationScope.nonCancellable(async () => {
        const answer = await entity.waitReady();
        if ('code' in answer) throw failure(answer);
        return answer;
      }),
    { description: 'Waits until the resource can be used' },
  );
  setCommand(entity, messages.extendUpdate, ({ ttlMs }) => ({ type: 'extend', ttlMs }), 'Adds to the time to live, up to the plan');
  setCommand(entity, messages.pauseUpdate, () => ({ type: 'pause' }), 'Cuts access for the owner; the clock runs on');
  setCommand(entity, messages.resumeUpdate, () => ({ type: 'resume', liftSuspension: false }), 'Ends a pause');
  setCommand(entity, messages.suspendUpdate, suspendFrom, 'Cuts access for the platform, with a reason');
  setCommand(entity, messages.unsuspendUpdate, () => ({ type: 'unsuspend' }), 'Lifts a suspension; a pause stays');
  setCommand(entity, messages.rotateUpdate, () => ({ type: 'rotate' }), 'New credentials; the former ones work until their grace ends');
  setCommand(entity, messages.isolateUpdate, () => ({ type: 'isolate' }), 'From a server without credentials to an account of its own');
  setCommand(
    entity,
    messages.claimUpdate,
    ({ teamId, policy, limits, ttlMs, kindCount }) => ({ type: 'claim', teamId, policy, limits, ttlMs, kindCount }),
    'Gives an anonymous resource to a team, with its plan',
  );
  setCommand(entity, messages.updateUpdate, ({ name, labels }) => ({ type: 'update', name, labels }), 'Changes name or labels');
  setCommand(entity, messages.scaleUpdate, ({ limits, policy }) => ({ type: 'scale', limits, policy }), 'Applies other limits');
}

function setCommand<Argument extends messages.CommandMeta>(
  entity: ResourceEntity,
  definition: UpdateDefinition<messages.CommandAnswer, [Argument]>,
  toCommand: (argument: Argument) => messages.Command,
  description: string,
): void {
  const toQueued = (argument: Argument): messages.QueuedCommand => ({
    // Inside an update there always is an update id.
    commandId: commandIdOf(argument) ?? currentUpdateInfo()?.id ?? '',
    command: toCommand(argument),
    actor: actorOf(argument),
    requestId: requestIdOf(argument),
    bySignal: false,
  });
  setHandler(definition, (argument) => CancellationScope.nonCancellable(() => answerCommand(entity, toQueued(argument))), {
    description,
    validator: (argument) => {
      const queued = toQueued(argument);
      const refusal = isWhole(queued.command) ? entity.refusalNow(queued) : MALFORMED;
      if (refusal !== null) throw failure(refusal);
    },
  });
}

async function answerCommand(entity: ResourceEntity, queued: messages.QueuedCommand): Promise<messages.CommandAnswer> {
  entity.enqueue(queued);
  await condition(() => entity.isAnswered(queued.commandId), COMMAND_WAIT_MS, { summary: `${queued.command.type} answer` });
  const outcome = entity.outcomeOf(queued.commandId);
  if (outcome?.ok) return { applied: true, view: outcome.view };
  if (outcome !== undefined) throw failure(outcome);
  const row = entity.currentRow();
  if (row === null) throw failure({ code: 'resource_not_ready', message: 'The resource is not provisioned yet.', details: {} });
  return { applied: false, view: viewOf(row) };
}

/** What operators send with `temporal workflow signal`. A refusal becomes an event, since a signal answers nothing. */
function setSignalHandlers(entity: ResourceEntity): void {
  const enqueue = (command: messages.Command, argument: unknown, actor: ActorRef = OPERATOR) => {
    const commandId = commandIdOf(argument) ?? entity.nextSignalId();
    entity.enqueue({ commandId, command, actor, requestId: commandId, bySignal: true });
  };

  setHandler(messages.extendSignal, (argument) => enqueue(extendFrom(argument), argument), {
    description: 'Adds to the time to live: "2h" or {"ttl":"2h","commandId":"..."}',
  });
  setHandler(messages.suspendSignal, (argument) => enqueue(suspendFrom(argument), argument), {
    description: 'Cuts access for the platform: a reason, or {"reason":"...","commandId":"..."}',
  });
  setHandler(messages.resumeSignal, (argument) => enqueue({ type: 'resume', liftSuspension: true }, argument), {
    description: 'Lifts a suspension, or else ends a pause',
  });
  setHandler(
    messages.storageSignal,
    (argument) => {
      const command = storageFrom(argument);
      if (command !== null) enqueue(command, argument, { type: 'system', id: 'quota' });
      else log.warn('a storage signal that says nothing was dropped');
    },
    { description: 'From the meter: stored bytes crossed a threshold' },
  );
  setHandler(messages.deleteSignal, (argument) => entity.requestDelete(deleteFrom(argument)), {
    description: 'Deletes the resource, whatever it is doing',
  });
}
