// Effects that do not come back: held inside the backend until let go, or failing as often as they are tried.
import { ApplicationFailure } from '@temporalio/common';
import type { RecordingBackend, Verb } from './recording-backend';

export interface Held {
  /** Resolves when the first call is held. */
  reached: Promise<void>;
  release: () => void;
}

/** Holds every call of the verb. A held activity is in flight, so the clock is not skipped meanwhile. */
export function hold(backend: RecordingBackend, verb: Verb): Held {
  let release = () => {};
  let reach = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  backend.before = async (called) => {
    if (called !== verb) return;
    reach();
    await released;
  };
  return { reached, release };
}

/** Fails every call of the verb in a way that is tried again, until the answer is called. Time can be skipped between attempts. */
export function breakDown(backend: RecordingBackend, verb: Verb): { repair: () => void } {
  backend.before = async (called) => {
    if (called === verb) throw ApplicationFailure.retryable(`${verb} is broken`, 'BackendDown');
  };
  return {
    repair: () => {
      backend.before = async () => undefined;
    },
  };
}
