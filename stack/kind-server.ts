// What a server that kinds of resources stand on is to the stack.
import type { ResourceKind } from '../shared/resourcetype';
import type { ServiceContext, WantedPort } from './services';
import type { Settings } from './settings';
import type { Supervisor } from './supervisor';

export interface StartParts {
  context: ServiceContext;
  supervisor: Supervisor;
  say: (line: string) => void;
}

/** A server that kinds of resources stand on. */
export interface KindServer {
  name: string;
  /** Started when any of these is wanted; none for a server that is only started by its name in LEASEHOLD_KINDS. */
  kinds: readonly ResourceKind[];
  /** What does without it, in the line that says that it is not there. */
  without: string;
  ports: readonly WantedPort[];
  /** Of the one that somebody else runs, which `status` lists by the name of what it stands in for. */
  external: (settings: Settings) => string | undefined;
  /** False when somebody else runs it. */
  embedded: (settings: Settings) => boolean;
  /** @throws Error with the remedy */
  start: (parts: StartParts) => Promise<void>;
}
