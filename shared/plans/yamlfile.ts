// Reads a strict YAML file; whatever is wrong with it becomes one line that says where and why.
import { basename } from 'node:path';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { parseDurationMs } from './types';

type Path = readonly PropertyKey[];

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The offset of the key at this path if it is there, else of the closest thing around it that is. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(last));
      if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function flatten(issues: readonly z.core.$ZodIssue[]): { path: Path; reason: string }[] {
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], reason: 'unknown key' }))
      : [{ path: issue.path, reason: issue.message }],
  );
}

/**
 * Parses and validates.
 * @throws Error whose message is the single line `<file>:<line>: <key path>: <reason>`, for the topmost fault in the file
 */
export function parseYamlFile<Schema extends z.ZodType>(path: string, text: string, schema: Schema): z.output<Schema> {
  const file = basename(path);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const syntaxError = document.errors[0];
  if (syntaxError) {
    throw new Error(`${file}:${lineCounter.linePos(syntaxError.pos[0]).line}: (file): ${syntaxError.message.split('\n')[0]}`);
  }
  const value: unknown = document.toJS();
  if (!isRecord(value)) throw new Error(`${file}:1: (file): must be a mapping`);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = flatten(parsed.error.issues)
    .map((fault) => ({ ...fault, line: Math.max(1, lineCounter.linePos(offsetOf(document, fault.path)).line) }))
    .sort((a, b) => a.line - b.line);
  throw new Error(`${file}:${first?.line ?? 1}: ${first?.path.map(String).join('.') || '(file)'}: ${first?.reason ?? 'invalid'}`);
}

/** A duration as people write it (`90m`), milliseconds once read. */
export const durationMs = z.string().transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms === null) {
    context.addIssue({ code: 'custom', message: `"${text}" is no duration (write 40s, 90m, 24h or 7d)` });
    return z.NEVER;
  }
  return ms;
});

export const positiveDurationMs = durationMs.refine((ms) => ms > 0, { message: 'must be longer than 0s' });
