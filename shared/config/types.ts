// What the catalogue says of a variable, and how a process's part of the catalogue is typed.
import type { z } from 'zod';

/** Who reads variables: our processes, `compose` (temporal-compose.yml only), and `tool` (commands beside the product). */
export const PROCESS_NAMES = ['stack', 'api', 'worker', 'host', 'receiver', 'relay', 'migrate', 'namespace', 'compose', 'tool'] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

export interface Variable {
  /** One or two short sentences: what it decides, and what to watch. */
  doc: string;
  /** From the text of the environment to the value that processes get. */
  schema: z.ZodType<unknown, unknown>;
  /** As it would be written in the environment. */
  default?: string;
  /** What stands in for a default that is not a constant. */
  defaultDoc?: string;
  unit?: string;
  readBy: readonly ProcessName[];
  /** Of these, who does not start without it. */
  requiredBy?: readonly ProcessName[];
  /** Never shown; may also be given as a file, by `<NAME>_FILE`. */
  secret?: boolean;
}

export type Variables = Readonly<Record<string, Variable>>;

/** Keeps the exact names and schemas of a group, so that a process's part can be typed from it. */
export function variables<const Group extends Variables>(group: Group): Group {
  return group;
}

type ValueOf<Entry extends Variable, Process extends ProcessName> = Entry extends { default: string }
  ? z.output<Entry['schema']>
  : Entry extends { requiredBy: readonly (infer Needing)[] }
    ? Process extends Needing
      ? z.output<Entry['schema']>
      : z.output<Entry['schema']> | undefined
    : z.output<Entry['schema']> | undefined;

/** The variables that a process reads, with their values. */
export type ValuesFor<All extends Variables, Process extends ProcessName> = {
  readonly [Name in keyof All as Process extends All[Name]['readBy'][number] ? Name : never]: ValueOf<All[Name], Process>;
};
