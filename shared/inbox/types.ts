// What an inbox is, and what it keeps.

export interface InboxLimits {
  /** The length of the ring. */
  maxRequests: number;
  /** Headers and bodies together; the oldest go when it is full. */
  maxBytes: number;
  /** Of one request. */
  maxBodyBytes: number;
  /** Of all bodies that come in a minute. */
  maxBytesPerMinute: number;
}

/** How the sender's signature is checked: HMAC-SHA256 over the body as it was sent. */
export interface SignatureRule {
  /** The header that holds it, in lower case. */
  header: string;
  /** What stands before it in the header, such as `sha256=`. */
  prefix: string;
  encoding: 'hex' | 'base64';
}

/** A request as the receiver took it in. What is secret in the headers is gone already. */
export interface CapturedRequest {
  method: string;
  /** What follows the token in the path; `/` when nothing does. */
  path: string;
  query: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface RequestSummary extends Omit<CapturedRequest, 'body'> {
  /** A UUID of version 7: its order is the order of arrival. */
  id: string;
  receivedAt: Date;
  bodyBytes: number;
}

export interface StoredRequest extends RequestSummary {
  body: Buffer;
}

/** What a receive token opens. */
export interface FoundInbox {
  objectName: string;
  open: boolean;
  readOnly: boolean;
  usesRedis: boolean;
  maxBodyBytes: number;
  maxBytesPerMinute: number;
  signature: (SignatureRule & { sealedSecret: string }) | null;
}

export type ReceiveOutcome = { outcome: 'stored'; id: string; rotated: boolean } | { outcome: 'unknown' | 'inactive' | 'read_only' };

export interface InboxLogger {
  warn(message: string, fields?: Record<string, unknown>): void;
}

/** What every stored request is taken to cost besides its headers and body. */
const OVERHEAD_BYTES = 256;

export function costOf(captured: CapturedRequest): number {
  return OVERHEAD_BYTES + captured.path.length + captured.query.length + JSON.stringify(captured.headers).length + captured.body.length;
}
