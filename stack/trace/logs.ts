// The log lines of one request, in the files of every process.
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface LogLine {
  process: string;
  message: string;
  time: string;
  trace_id?: string;
  workflow_id?: string;
  resource_id?: string;
  [field: string]: unknown;
}

/** By file, the rotated ones first; a file in which there is nothing is left out. */
export async function linesOf(logs: string, requestId: string): Promise<Map<string, LogLine[]>> {
  const found = new Map<string, LogLine[]>();
  const files = existsSync(logs) ? readdirSync(logs).filter((file) => /\.log(\.1)?$/.test(file)) : [];
  for (const file of files.sort().reverse()) {
    const lines = await matching(join(logs, file), requestId);
    const name = file.replace(/\.1$/, '');
    if (lines.length > 0) found.set(name, [...(found.get(name) ?? []), ...lines]);
  }
  return found;
}

async function matching(path: string, requestId: string): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  const needle = JSON.stringify(requestId);
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    // Most lines are not it, and need not be parsed to know that.
    if (!text.includes(needle)) continue;
    const line = parse(text);
    if (line?.request_id === requestId) lines.push(line);
  }
  return lines;
}

function parse(text: string): LogLine | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as LogLine) : null;
  } catch {
    return null;
  }
}
