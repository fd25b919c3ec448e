// How the platform is let into a NATS server: one url, which the stack writes and the worker reads.
import { Nkey } from './nkey';

export interface NatsAdmin {
  /** `nats://host:port` or `tls://host:port`, as the client library takes it. */
  server: string;
  /** Signs accounts. The server's operator token names its public key. */
  operatorKey: Nkey;
  /** Signs the users by which the platform talks to the server. */
  systemKey: Nkey;
  systemAccount: string;
  /** Where the server keeps streams and accounts, if this machine can reach it. */
  storeDirectory: string | null;
  accountDirectory: string | null;
}

/** Every secret is in the password: what shows a url to people leaves that out. */
export function formatNatsAdminUrl(admin: NatsAdmin): string {
  const url = new URL(admin.server);
  url.username = 'leasehold';
  url.password = `${admin.operatorKey.seed}.${admin.systemKey.seed}`;
  url.searchParams.set('system_account', admin.systemAccount);
  if (admin.storeDirectory !== null) url.searchParams.set('store_dir', admin.storeDirectory);
  if (admin.accountDirectory !== null) url.searchParams.set('account_dir', admin.accountDirectory);
  return url.href;
}

/** @throws Error with the remedy, and without the url: it is a secret */
export function parseNatsAdminUrl(text: string): NatsAdmin {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error('the admin url cannot be read');
  }
  if (!['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') throw new Error('the admin url must be nats://... or tls://...');
  const [operatorSeed, systemSeed] = decodeURIComponent(url.password).split('.');
  if (!operatorSeed || !systemSeed)
    throw new Error('the admin url needs the password <seed of an operator signing key>.<seed of a system account key>');
  const systemKey = Nkey.fromSeed('account', systemSeed);
  return {
    server: `${url.protocol}//${url.hostname}:${url.port || '4222'}`,
    operatorKey: Nkey.fromSeed('operator', operatorSeed),
    systemKey,
    systemAccount: url.searchParams.get('system_account') ?? systemKey.getPublicKey(),
    storeDirectory: url.searchParams.get('store_dir'),
    accountDirectory: url.searchParams.get('account_dir'),
  };
}
