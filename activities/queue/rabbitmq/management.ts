// One RabbitMQ server, over the HTTP API of its management plugin.
import { z } from 'zod';
import type { RabbitmqAdmin } from '../../../shared/queueprovider';
import { ProviderMisconfigured, ProviderUnavailable, toProviderError } from '../../errors';

const CALL_MS = 10_000;
/** Deletes every message first. */
const DELETE_VHOST_MS = 60_000;

const named = z.object({ name: z.string() });
const tags = z.union([z.array(z.string()), z.string().transform((text) => text.split(',').filter((tag) => tag !== ''))]);
const vhostSchema = named.extend({ tags: tags.default([]), cluster_state: z.record(z.string(), z.string()).default({}) });
const queueSchema = z.object({
  vhost: z.string(),
  message_bytes: z.number().default(0),
  messages: z.number().default(0),
  arguments: z.record(z.string(), z.unknown()).default({}),
});

export type VhostFacts = z.infer<typeof vhostSchema>;
export type QueueFacts = z.infer<typeof queueSchema>;

interface Call {
  body?: unknown;
  signal?: AbortSignal;
  timeoutMs?: number;
}

const path = (...parts: string[]): string => parts.map((part) => `/${encodeURIComponent(part)}`).join('');

/** Absent is null for what reads, and success for what deletes. */
export class RabbitmqManagement {
  readonly #admin: RabbitmqAdmin;

  constructor(admin: RabbitmqAdmin) {
    this.#admin = admin;
  }

  async overview(): Promise<{ rabbitmq_version: string }> {
    return required(await this.#get('/overview', z.object({ rabbitmq_version: z.string() })));
  }

  async whoAmI(): Promise<{ name: string; tags: string[] }> {
    return required(await this.#get('/whoami', named.extend({ tags })));
  }

  /** Names of the features that are on. */
  async features(): Promise<string[]> {
    const flags = required(await this.#get('/feature-flags', z.array(named.extend({ state: z.string() }))));
    return flags.filter(({ state }) => state === 'enabled').map(({ name }) => name);
  }

  vhost(name: string, signal?: AbortSignal): Promise<VhostFacts | null> {
    return this.#get(path('vhosts', name), vhostSchema, signal);
  }

  async vhostNames(): Promise<string[]> {
    return required(await this.#get('/vhosts?columns=name', z.array(named))).map(({ name }) => name);
  }

  /** Makes it, or gives it these tags. */
  putVhost(name: string, given: string[], signal?: AbortSignal): Promise<void> {
    return this.#put(path('vhosts', name), { description: 'leasehold', tags: given.join(',') }, signal);
  }

  deleteVhost(name: string, signal?: AbortSignal): Promise<void> {
    return this.#delete(path('vhosts', name), { signal, timeoutMs: DELETE_VHOST_MS });
  }

  async putVhostLimits(vhost: string, limits: { maxConnections: number; maxQueues: number }, signal?: AbortSignal): Promise<void> {
    await this.#put(path('vhost-limits', vhost, 'max-connections'), { value: limits.maxConnections }, signal);
    await this.#put(path('vhost-limits', vhost, 'max-queues'), { value: limits.maxQueues }, signal);
  }

  putPolicy(vhost: string, name: string, definition: Record<string, unknown>, signal?: AbortSignal): Promise<void> {
    return this.#put(path('policies', vhost, name), { pattern: '.*', 'apply-to': 'queues', definition }, signal);
  }

  putOperatorPolicy(vhost: string, name: string, definition: Record<string, unknown>, signal?: AbortSignal): Promise<void> {
    return this.#put(path('operator-policies', vhost, name), { pattern: '.*', 'apply-to': 'queues', definition }, signal);
  }

  deleteOperatorPolicy(vhost: string, name: string, signal?: AbortSignal): Promise<void> {
    return this.#delete(path('operator-policies', vhost, name), { signal });
  }

  async userNames(signal?: AbortSignal): Promise<string[]> {
    return required(await this.#get('/users?columns=name', z.array(named), signal)).map(({ name }) => name);
  }

  putUser(name: string, password: string, signal?: AbortSignal): Promise<void> {
    return this.#put(path('users', name), { password, tags: '' }, signal);
  }

  /** No password opens it any more. */
  disableUser(name: string, signal?: AbortSignal): Promise<void> {
    return this.#put(path('users', name), { password_hash: '', tags: '' }, signal);
  }

  deleteUser(name: string, signal?: AbortSignal): Promise<void> {
    return this.#delete(path('users', name), { signal });
  }

  putMaxChannels(user: string, value: number, signal?: AbortSignal): Promise<void> {
    return this.#put(path('user-limits', user, 'max-channels'), { value }, signal);
  }

  putPermissions(
    vhost: string,
    user: string,
    permissions: { configure: string; write: string; read: string },
    signal?: AbortSignal,
  ): Promise<void> {
    return this.#put(path('permissions', vhost, user), permissions, signal);
  }

  /** As the server itself keeps count of them, which is at once; the lists of connections are filled later. */
  async connectionsOf(user: string, signal?: AbortSignal): Promise<string[]> {
    const found = await this.#get(path('connections', 'username', user), z.array(named), signal);
    return (found ?? []).map(({ name }) => name);
  }

  /** Each has ended its channels when this returns, whether or not its client has heard of it. */
  closeConnectionsOf(user: string, signal?: AbortSignal): Promise<void> {
    return this.#delete(path('connections', 'username', user), { signal });
  }

  async queues(vhost?: string, signal?: AbortSignal): Promise<QueueFacts[]> {
    const where = vhost === undefined ? '/queues' : path('queues', vhost);
    return (await this.#get(`${where}?columns=vhost,message_bytes,messages,arguments`, z.array(queueSchema), signal)) ?? [];
  }

  async #get<Schema extends z.ZodType>(where: string, schema: Schema, signal?: AbortSignal): Promise<z.infer<Schema> | null> {
    const answer = await this.#call('GET', where, { signal });
    if (answer === null) return null;
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new ProviderUnavailable(`the management API answered ${where} with ${issue?.path.join('.')}: ${issue?.message}`);
  }

  async #put(where: string, body: unknown, signal?: AbortSignal): Promise<void> {
    if ((await this.#call('PUT', where, { body, signal })) === null) throw new ProviderUnavailable(`${where} is not there`);
  }

  async #delete(where: string, call: Call): Promise<void> {
    await this.#call('DELETE', where, call);
  }

  /** Null = 404. */
  async #call(method: string, where: string, { body, signal, timeoutMs = CALL_MS }: Call): Promise<unknown> {
    const { management, username, password } = this.#admin;
    signal?.throwIfAborted();
    const timeout = AbortSignal.timeout(timeoutMs);
    const headers = {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    };
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${management}/api${where}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      text = await response.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw new ProviderUnavailable(`no answer from ${management}: ${reasonOf(error)}`);
    }
    if (response.status === 404) return null;
    if (response.status === 401 || response.status === 403)
      throw new ProviderMisconfigured(
        `${management} refuses ${username}: give the admin url a user with the tag administrator and its password`,
      );
    if (!response.ok) throw new ProviderUnavailable(`${method} ${where}: ${response.status} ${text.slice(0, 200)}`);
    return text === '' ? {} : parsed(text, where);
  }
}

/** fetch says only that it failed; what failed is the cause. */
function reasonOf(error: unknown): string {
  const { cause } = Object(error) as { cause?: unknown };
  return toProviderError(cause ?? error).message;
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProviderUnavailable(`what answers ${where} is no management API of RabbitMQ`);
  }
}

function required<T>(value: T | null): T {
  if (value === null) throw new ProviderMisconfigured('what answers is no management API of RabbitMQ: give the admin url its address');
  return value;
}
