// Connections to NATS that sign with node:crypto: the libraries' own signing blocks the event loop.
import { encodeUser, type KeyPair } from '@nats-io/jwt';
import { AuthorizationError, connect, type NatsConnection } from '@nats-io/transport-node';
import { type NatsAdmin, Nkey, parseNatsAdminUrl } from '../../../shared/queueprovider';
import { ProviderMisconfigured, ProviderUnavailable } from '../../errors';

const CONNECT_TIMEOUT_MS = 5_000;
/** Two that are not answered end a connection whose other side is gone without a word. */
const PING_INTERVAL_MS = 10_000;

export interface NatsLogin {
  server: string;
  name: string;
  jwt: string;
  user: KeyPair;
}

/**
 * It does not reconnect: a client that does keeps what it could not send and sends it later, and an account as it was
 * before would then replace the account as it is.
 */
export function openConnection({ server, name, jwt, user }: NatsLogin): Promise<NatsConnection> {
  return connect({
    servers: server,
    name,
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    ignoreClusterUpdates: true,
    ...(server.startsWith('tls:') ? { tls: {} } : {}),
    authenticator: (nonce) => ({
      jwt,
      nkey: user.getPublicKey(),
      sig: Buffer.from(user.sign(Buffer.from(nonce ?? ''))).toString('base64url'),
    }),
  });
}

export interface NatsSystem {
  connection: NatsConnection;
  admin: NatsAdmin;
}

/** One connection to each server, opened when it is needed and again when it was lost. */
export class OpenedOnce<Opened extends { connection: NatsConnection }> {
  readonly #open: (backendName: string) => Promise<Opened>;
  readonly #opened = new Map<string, Promise<Opened>>();

  constructor(open: (backendName: string) => Promise<Opened>) {
    this.#open = open;
  }

  async of(backendName: string): Promise<Opened> {
    const current = this.#opened.get(backendName);
    const known = await current?.catch(() => undefined);
    if (known && !known.connection.isClosed()) return known;
    // Whoever found the same one lost may have begun anew already.
    const opening = this.#opened.get(backendName);
    if (opening && opening !== current) return opening;
    const opened = this.#open(backendName);
    this.#opened.set(backendName, opened);
    return opened;
  }

  async close(): Promise<void> {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(all.map((opened) => opened.then(({ connection }) => connection.close()).catch(() => {})));
  }
}

/** The platform's connection to each server's system account. */
export class NatsServers {
  readonly #adminUrlOf: (backendName: string) => string;
  readonly #systems = new OpenedOnce((backendName) => this.#open(backendName));

  constructor(adminUrlOf: (backendName: string) => string) {
    this.#adminUrlOf = adminUrlOf;
  }

  system(backendName: string): Promise<NatsSystem> {
    return this.#systems.of(backendName);
  }

  close(): Promise<void> {
    return this.#systems.close();
  }

  async #open(backendName: string): Promise<NatsSystem> {
    const admin = this.#adminOf(backendName);
    const user = Nkey.random('user');
    const jwt = await encodeUser('leasehold', user, admin.systemAccount, SYSTEM_USER, { signer: admin.systemKey });
    try {
      return { admin, connection: await openConnection({ server: admin.server, name: 'leasehold', jwt, user }) };
    } catch (error) {
      if (error instanceof AuthorizationError)
        throw new ProviderMisconfigured(
          `${backendName}: the server does not know this system account: give the admin url with its own keys`,
        );
      throw new ProviderUnavailable(
        `${backendName}: no connection to ${admin.server}: ${error instanceof Error ? error.message : 'unknown'}`,
      );
    }
  }

  #adminOf(backendName: string): NatsAdmin {
    const url = this.#adminUrlOf(backendName);
    try {
      return parseNatsAdminUrl(url);
    } catch (error) {
      throw new ProviderMisconfigured(`${backendName}: ${error instanceof Error ? error.message : 'the admin url is wrong'}`);
    }
  }
}

const SYSTEM_USER = {
  pub: { allow: ['$SYS.REQ.>'] },
  sub: { allow: ['_INBOX.>'] },
  allowed_connection_types: ['STANDARD'],
} satisfies Parameters<typeof encodeUser>[3];
