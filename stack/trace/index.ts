// `npm run trace -- <request id>`: follows one request through every part, and says where it was found.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '../../shared/config';
import { createPool } from '../../shared/db';
import { sanitizeText } from '../../shared/sanitize';
import { loadSecrets } from '../secrets';
import { childEnvironment, temporalUiUrl } from '../services';
import type { Settings } from '../settings';
import { readState } from '../state';
import { type LogLine, linesOf } from './logs';
import { auditRows, type OutboxRow, outboxRows, workflows } from './places';
import { type Broker, streamMessages } from './stream';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

export interface Traced {
  place: string;
  found: string[];
  unreachable?: string;
}

/** Everything the stack's own configuration leads to; a part that is away is told as such and hides no other. */
export async function traceRequest(settings: Settings, requestId: string): Promise<Traced[]> {
  if (!REQUEST_ID.test(requestId))
    return [{ place: 'request id', found: [], unreachable: 'is not one: it is what X-Request-ID of the answer says' }];
  const { ports } = readState(settings.home);
  const context = { settings, ports, secrets: loadSecrets(settings.home, settings.environment) };
  const env = childEnvironment(context, processEnvironment());
  const logs = await linesOf(join(settings.home, 'logs'), requestId);
  const lines = [...logs.values()].flat();
  const database = await inDatabase(env.LEASEHOLD_DATABASE_URL ?? '', requestId);
  const workflowIds = new Set([
    ...database.outbox.map((row) => `resource/${row.resource_id}`),
    ...lines.flatMap(({ workflow_id }) => (workflow_id === undefined ? [] : [workflow_id])),
  ]);
  const temporal = {
    address: env.LEASEHOLD_TEMPORAL_ADDRESS ?? '',
    namespace: settings.temporalNamespace,
    uiUrl: temporalUiUrl(context),
  };
  const since = database.outbox[0]?.created_at ?? null;
  const [found, messages] = await Promise.all([
    workflows(temporal, [...workflowIds]),
    streamMessages(eventsBroker(settings, { env, ports }), { requestId, since }),
  ]);
  return [
    { place: 'api log', found: summaries(logs, (file) => file === 'api.log') },
    { place: 'worker log', found: summaries(logs, (file) => file === 'worker.log' || file.startsWith('host-')) },
    { place: 'other logs', found: summaries(logs, (file) => !/^(api|worker|host-.*)\.log$/.test(file)) },
    { place: 'trace', found: traces(lines, database.outbox) },
    { place: 'workflow', ...found },
    { place: 'outbox row', found: database.outbox.map(outboxLine), unreachable: database.unreachable },
    { place: 'nats message', ...messages },
    { place: 'audit row', found: database.audit, unreachable: database.unreachable },
  ];
}

const EVENTS_READER = 'events-reader.creds';

/** The one that the relay is told of; else the stack's own, with the credentials that it keeps for readers. */
function eventsBroker({ home }: Settings, at: { env: NodeJS.ProcessEnv; ports: Record<string, number> }): Broker | null {
  const { LEASEHOLD_EVENTS_NATS_URL: url, LEASEHOLD_EVENTS_NATS_CREDS: creds } = at.env;
  if (url) return { url, creds };
  const file = join(home, EVENTS_READER);
  return at.ports.nats !== undefined && existsSync(file)
    ? { url: `nats://127.0.0.1:${at.ports.nats}`, creds: readFileSync(file, 'utf8') }
    : null;
}

async function inDatabase(url: string, requestId: string): Promise<{ outbox: OutboxRow[]; audit: string[]; unreachable?: string }> {
  const pool = createPool({ url, applicationName: 'leasehold-trace', max: 2 });
  try {
    const [outbox, audit] = await Promise.all([outboxRows(pool, requestId), auditRows(pool, requestId)]);
    return { outbox, audit };
  } catch (error) {
    return { outbox: [], audit: [], unreachable: sanitizeText(error instanceof Error ? error.message : String(error)) };
  } finally {
    await pool.end();
  }
}

function summaries(logs: ReadonlyMap<string, LogLine[]>, wanted: (file: string) => boolean): string[] {
  return [...logs]
    .filter(([file]) => wanted(file))
    .flatMap(([file, lines]) => lines.map((line) => `${file} ${line.time} ${summary(line)}`));
}

function summary({ message, method, route, status, event, outcome }: LogLine): string {
  return [message, method, route, status, event, outcome].filter((part) => part !== undefined).join(' ');
}

function traces(lines: readonly LogLine[], outbox: readonly OutboxRow[]): string[] {
  const fromLines = lines.flatMap(({ trace_id }) => (trace_id === undefined ? [] : [trace_id]));
  const fromRows = outbox.flatMap(({ traceparent }) => (traceparent === null ? [] : [traceparent.slice(3, 35)]));
  return [...new Set([...fromLines, ...fromRows])];
}

function outboxLine({ id, type, published_at, dead_lettered_at }: OutboxRow): string {
  const state = published_at ? `published ${published_at.toISOString()}` : dead_lettered_at ? 'dead-lettered' : 'waits to be published';
  return `${id} ${type}, ${state}`;
}

/** What a person reads. */
export function traceTable(requestId: string, traced: readonly Traced[]): string {
  const rows = traced.filter(({ place, found }) => place !== 'other logs' || found.length > 0).flatMap(rowsOf);
  return `request ${requestId}\n${rows.join('\n')}\n`;
}

function rowsOf({ place, found, unreachable }: Traced): string[] {
  const lines = found.length > 0 ? found : [unreachable === undefined ? 'not found' : `not looked up: ${unreachable}`];
  return lines.map((line, index) => `${(index === 0 ? place : '').padEnd(14)}${line}`);
}

export function isComplete(traced: readonly Traced[]): boolean {
  return traced.every(({ place, found }) => place === 'other logs' || found.length > 0);
}
