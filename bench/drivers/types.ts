// How each kind is used from outside: by the field's own driver, with what the answer holds and nothing else.
import type { ResourceKind } from '../../shared/resourcetype';

/** What an answer that hands out credentials holds, as far as drivers need it. */
export interface Granted {
  id: string;
  token: string;
  name: string;
  connection_url: string;
  resource_url: string;
  status: string;
  key_prefix?: string;
  subject_prefix?: string;
  auth_mode?: string;
  dimensions?: number;
  credentials?: { creds_file?: string; username?: string; password?: string; security_protocol?: string };
  endpoint?: string;
  region?: string;
  bucket?: string;
  prefix?: string;
  access_key_id?: string;
  secret_access_key?: string;
  session_token?: string;
  receive_url?: string;
}

export interface Session {
  /** The cheapest command that proves that the resource serves. Throws when it does not. */
  ping: () => Promise<void>;
  write: (value: string) => Promise<void>;
  /** What was written last. */
  read: () => Promise<string>;
  close: () => Promise<void>;
}

export interface KindDriver {
  kind: ResourceKind;
  /** Of the package whose users would use the resource. */
  driver: string;
  /** Connects; throws when it is refused. Nothing is tried again. */
  open: (granted: Granted) => Promise<Session>;
}

/** On a busy machine a server that is well may be silent for seconds. */
export const CONNECT_MS = 15_000;

export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the answer holds no ${what}`);
  return value;
}
