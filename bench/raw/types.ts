// The backend alone: what somebody who knows it would do by hand to have one, up to the first command that succeeds.
import type { BenchStack } from '../stack';

export interface RawKind {
  /** One thing, up to its first successful command by the field's driver. */
  make: () => Promise<void>;
  /** Outside the measured time. */
  removeAll: () => Promise<void>;
  close: () => Promise<void>;
}

export interface RawContext {
  stack: BenchStack;
  /** The admin url of the kind's first backend. */
  adminUrl: string;
}
