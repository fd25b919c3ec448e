import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, isGrpcServiceError } from '@temporalio/client';
import { oneLine, StackError } from './errors';

const RETENTION_SECONDS = 30 * 24 * 3600;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

/** What operators filter resources by in the Temporal UI. */
export const SEARCH_ATTRIBUTES = {
  Kind: 'Keyword',
  Status: 'Keyword',
  TeamId: 'Keyword',
  Tier: 'Keyword',
  ExpiresAt: 'Datetime',
  BackendName: 'Keyword',
} as const;
const TYPE_NUMBERS = { Keyword: 2, Datetime: 6 } as const;

/**
 * Namespace, retention and search attributes as the platform needs them; safe to repeat and to run against a server that is not ours.
 * A longer retention than ours is left alone.
 */
export async function ensureNamespace(options: { address: string; namespace: string; waitMs?: number }): Promise<void> {
  const connection = await connect(options.address, options.waitMs ?? 30_000);
  try {
    await ensureRegistered(connection, options.namespace);
    await ensureSearchAttributes(connection, options.namespace);
    await waitUntilUsable(connection, options.namespace);
  } catch (error) {
    throw error instanceof StackError
      ? error
      : new StackError(`Temporal namespace ${options.namespace} at ${options.address} cannot be prepared: ${oneLine(error)}`);
  } finally {
    await connection.close();
  }
}

async function connect(address: string, waitMs: number): Promise<Connection> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    try {
      return await Connection.connect({ address, connectTimeout: '2s' });
    } catch (error) {
      if (Date.now() > deadline)
        throw new StackError(`Temporal at ${address} does not answer (${oneLine(error)}): start it, or unset LEASEHOLD_TEMPORAL_ADDRESS`);
      await sleep(50);
    }
  }
}

async function ensureRegistered(connection: Connection, namespace: string): Promise<void> {
  const service = connection.workflowService;
  try {
    const { config } = await service.describeNamespace({ namespace });
    if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) >= RETENTION_SECONDS) return;
    await service.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl: { seconds: RETENTION_SECONDS as never } } });
  } catch (error) {
    if (codeOf(error) !== NOT_FOUND) throw error;
    await ignoring(ALREADY_EXISTS, () =>
      service.registerNamespace({
        namespace,
        description: 'Leasehold resources',
        workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never },
      }),
    );
  }
}

/** A namespace that was registered a moment ago is unknown to parts of the server until their caches are refreshed. */
async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const { customAttributes } = await retrying(() => connection.operatorService.listSearchAttributes({ namespace }));
  const missing: Record<string, number> = {};
  for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
    const present = customAttributes?.[name];
    if (present === undefined) missing[name] = TYPE_NUMBERS[type];
    else if (present !== TYPE_NUMBERS[type])
      throw new StackError(`search attribute ${name} of namespace ${namespace} is not a ${type}: use another LEASEHOLD_TEMPORAL_NAMESPACE`);
  }
  if (Object.keys(missing).length === 0) return;
  await retrying(() =>
    ignoring(ALREADY_EXISTS, () => connection.operatorService.addSearchAttributes({ namespace, searchAttributes: missing as never })),
  );
}

async function waitUntilUsable(connection: Connection, namespace: string): Promise<void> {
  const query = Object.keys(SEARCH_ATTRIBUTES)
    .map((name) => `\`${name}\` IS NULL`)
    .join(' AND ');
  await retrying(() => connection.workflowService.countWorkflowExecutions({ namespace, query }));
}

async function retrying<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StackError || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

async function ignoring(code: number, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (codeOf(error) !== code) throw error;
  }
}

function codeOf(error: unknown): number | undefined {
  return isGrpcServiceError(error) ? (error.code as number) : undefined;
}
