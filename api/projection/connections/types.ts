// What a kind's part of the answer is made from, and what it is.
import type { StoredResource } from '../store';

/** Where tenants reach the backend. */
export interface PublicAddress {
  host: string;
  port: number;
  /** `http`, `https`, `nats`…: of the public url or of the admin url; empty for what runs on a host. */
  protocol: string;
}

export interface ConnectionInput {
  resource: StoredResource;
  /** The stored credential in the clear: `username` = `<objectName>_<version>`. */
  credential: { version: number; username: string; password: string };
  /** What the provider itself issued for this version; null where it issues nothing. */
  issued: Readonly<Record<string, string>> | null;
  /** What provisioning decided; empty where it decides nothing. */
  details: Readonly<Record<string, string | number | boolean | null>>;
  address: PublicAddress;
  /** How clients reach the api, without a slash at its end. */
  baseUrl: string;
  /** The resource's own, for urls under which it is a credential or a name. */
  token: string;
}

/** `connection_url` and what the contract's section 2 adds for the kind. */
export interface ConnectionFields {
  connection_url: string;
  [field: string]: unknown;
}

export type PresentConnection = (input: ConnectionInput) => ConnectionFields;
