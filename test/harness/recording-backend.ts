// A backend that only remembers, for tests of the lifecycle itself; what a real server does is tested on real servers.
import { ApplicationFailure } from '@temporalio/common';
import type { Backend } from '../../activities/backend';

export type Verb = keyof Backend;

export interface RecordedCall {
  verb: Verb;
  objectName: string;
  argument: unknown;
}

export interface RecordingBackend extends Backend {
  calls: RecordedCall[];
  /** What exists, by object name, with whether it is cut. */
  objects: Map<string, { cut: boolean }>;
  /** Runs before the verb takes effect; throw here to make it fail. */
  before: (verb: Verb, objectName: string) => Promise<void>;
  verbsOf: (objectName: string) => Verb[];
}

export function createRecordingBackend(): RecordingBackend {
  const calls: RecordedCall[] = [];
  const objects = new Map<string, { cut: boolean }>();
  async function record(verb: Verb, argument: { objectName: string }): Promise<void> {
    calls.push({ verb, objectName: argument.objectName, argument });
    await backend.before(verb, argument.objectName);
  }
  function existing(objectName: string): { cut: boolean } {
    const object = objects.get(objectName);
    if (object === undefined) throw ApplicationFailure.nonRetryable(`${objectName} is not there`, 'Absent');
    return object;
  }
  const backend: RecordingBackend = {
    calls,
    objects,
    before: async () => undefined,
    verbsOf: (objectName) => calls.filter((call) => call.objectName === objectName).map((call) => call.verb),
    async provision(request) {
      await record('provision', request);
      objects.set(request.objectName, { cut: false });
    },
    async claimWarm(request) {
      await record('claimWarm', request);
      objects.set(request.objectName, { cut: false });
    },
    async deprovision(ref) {
      await record('deprovision', ref);
      objects.delete(ref.objectName);
    },
    async cut(ref) {
      await record('cut', ref);
      existing(ref.objectName).cut = true;
    },
    async restore(ref) {
      await record('restore', ref);
      existing(ref.objectName).cut = false;
    },
    async rotate(request) {
      await record('rotate', request);
      existing(request.objectName);
    },
    async retireCredential(request) {
      await record('retireCredential', request);
      existing(request.objectName);
    },
    async setReadOnly(request) {
      await record('setReadOnly', request);
      existing(request.objectName);
    },
    async applyLimits(request) {
      await record('applyLimits', request);
      existing(request.objectName);
    },
  };
  return backend;
}
