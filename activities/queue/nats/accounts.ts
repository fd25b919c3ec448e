// The accounts of one server, through its system account: what is signed and pushed is stored by the server's own resolver.
import { type Account, Algorithms, encode, encodeAccount } from '@nats-io/jwt';
import { createInbox } from '@nats-io/transport-node';
import { type NatsAccountState, type QueueUse, readNatsAccount } from '../../../shared/queueprovider';
import { ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import type { NatsSystem } from './connection';

const REQUEST_TIMEOUT_MS = 5_000;
const LIST_TIMEOUT_MS = 20_000;

interface ServerAnswer<Data> {
  server?: { ver?: string };
  data?: Data;
  error?: { code?: number; description?: string };
}

export interface JetStreamUse {
  id: string;
  storage: number;
}

export interface JetStreamFacts {
  disabled?: boolean;
  config?: { sync_always?: boolean; max_storage?: number };
  account_details?: JetStreamUse[];
}

interface StreamDetail {
  config?: { max_bytes?: number };
  state?: { bytes?: number; consumer_count?: number };
}

export interface StoredAccount {
  id: string;
  name: string;
  /** Null: not one that this platform made. */
  state: NatsAccountState | null;
}

export class NatsAccounts {
  readonly #system: NatsSystem;

  constructor(system: NatsSystem) {
    this.#system = system;
  }

  async find(accountId: string): Promise<StoredAccount | null> {
    const reply = await this.#system.connection.request(`$SYS.REQ.ACCOUNT.${accountId}.CLAIMS.LOOKUP`, '', { timeout: REQUEST_TIMEOUT_MS });
    const token = reply.string();
    return token === '' ? null : readToken(token);
  }

  /** Signed and stored; connections that the account does not let in any more are closed when this returns. */
  async push(accountId: string, name: string, claims: Partial<Account>): Promise<void> {
    const token = await encodeAccount(name, accountId, claims, { signer: this.#system.admin.operatorKey });
    await this.#ask('$SYS.REQ.CLAIMS.UPDATE', token);
  }

  async delete(accountIds: string[]): Promise<void> {
    const key = this.#system.admin.operatorKey;
    const claim = { sub: key.getPublicKey(), aud: 'NATS', name: 'delete', nats: { accounts: accountIds, type: 'generic', version: 2 } };
    const token = await encode(Algorithms.v2, claim as unknown as Parameters<typeof encode>[1], key);
    await this.#ask('$SYS.REQ.CLAIMS.DELETE', token);
  }

  /** Everything in the resolver. It answers in as many messages as there are accounts, and then an empty one. */
  async all(): Promise<StoredAccount[]> {
    const { connection } = this.#system;
    const inbox = createInbox();
    const messages = connection.subscribe(inbox, { timeout: LIST_TIMEOUT_MS });
    const accounts: StoredAccount[] = [];
    try {
      connection.publish('$SYS.REQ.CLAIMS.PACK', undefined, { reply: inbox });
      for await (const message of messages) {
        if (message.data.length === 0) return accounts;
        const token = message.string().split('|')[1];
        const account = token === undefined ? null : readToken(token);
        if (account) accounts.push(account);
      }
    } finally {
      messages.unsubscribe();
    }
    throw new ProviderUnavailable('the server did not list its accounts to the end');
  }

  /** Makes the server read the account, which it does else when its first user comes, and tells whether it has its JetStream. */
  async hasJetStream(accountId: string): Promise<boolean> {
    await this.#ask(`$SYS.REQ.ACCOUNT.${accountId}.CONNZ`, '{"limit":1}');
    const answer = await this.#answer<unknown>(`$SYS.REQ.ACCOUNT.${accountId}.JSZ`, '{}');
    return answer.error === undefined;
  }

  /** What the account's streams are allowed to hold, and how many there are. */
  async use(accountId: string): Promise<QueueUse> {
    if (!(await this.hasJetStream(accountId))) return { reservedBytes: 0, streams: 0, consumersOfLargest: 0 };
    const question = JSON.stringify({ streams: true, config: true });
    const { data } = await this.#ask<{ stream_detail?: StreamDetail[] }>(`$SYS.REQ.ACCOUNT.${accountId}.JSZ`, question);
    const streams = data?.stream_detail ?? [];
    return {
      reservedBytes: streams.reduce((sum, { config, state }) => sum + Math.max(config?.max_bytes ?? 0, state?.bytes ?? 0), 0),
      streams: streams.length,
      consumersOfLargest: Math.max(0, ...streams.map(({ state }) => state?.consumer_count ?? 0)),
    };
  }

  async jetStream(options: { accounts: boolean; offset?: number; limit?: number }): Promise<JetStreamFacts> {
    return (await this.#ask<JetStreamFacts>('$SYS.REQ.SERVER.PING.JSZ', JSON.stringify(options))).data ?? {};
  }

  async serverVersion(): Promise<string> {
    return (await this.#ask('$SYS.REQ.SERVER.PING.IDZ', '')).server?.ver ?? 'unknown';
  }

  async #ask<Data>(subject: string, payload: string): Promise<ServerAnswer<Data>> {
    const answer = await this.#answer<Data>(subject, payload);
    if (!answer.error) return answer;
    const description = answer.error.description ?? 'unknown error';
    if (/not trusted|delete must be enabled/.test(description)) throw new ProviderMisconfigured(description);
    throw new ProviderUnavailable(description);
  }

  async #answer<Data>(subject: string, payload: string): Promise<ServerAnswer<Data>> {
    const reply = await this.#system.connection.request(subject, payload, { timeout: REQUEST_TIMEOUT_MS });
    return reply.json<ServerAnswer<Data>>();
  }
}

/** Not verified: it comes from the server's own store, over the system account. */
function readToken(token: string): StoredAccount | null {
  const [, body] = token.split('.');
  if (body === undefined) return null;
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as { sub: string; name?: string; nats?: Partial<Account> };
  return { id: claims.sub, name: claims.name ?? '', state: readNatsAccount(claims.nats ?? {}) };
}
