// Everything the routes stand on. `createApp` takes it; tests give parts of their own.
import type { BuildInfo } from '../shared/buildinfo';
import type { JwtSigner } from '../shared/crypto';
import type { Egress } from '../shared/egress';
import type { InboxStore } from '../shared/inbox';
import type { Logger } from '../shared/logctx';
import type { DeadLetter } from '../shared/outbox';
import type { Plans } from '../shared/plans';
import type { Policies } from '../shared/policy';
import type { ReadinessReport } from '../shared/readiness';
import type { Metrics } from './http/metrics';
import type { RateGate } from './http/ratelimit';
import type { Route } from './http/route';
import type { IdempotentRequests } from './idempotency/requests';
import type { ApiKeyStore } from './identity/apikeys';
import type { CliSessionStore } from './identity/cli';
import type { OidcSignIn } from './identity/oidc-signin';
import type { ServiceAccountStore } from './identity/serviceaccounts';
import type { IdentityStore } from './identity/store';
import type { TeamStore } from './identity/teams';
import type { LifecyclePort } from './lifecycle/port';
import type { NotificationStore } from './notifications/store';
import type { AuditLog } from './projection/auditlog';
import type { LeakReport } from './projection/leaks';
import type { SecretReader } from './projection/secrets';
import type { ResourceStore } from './projection/store';
import type { ChangeFeed } from './projection/waiter';
import type { CodecEndpoint } from './routes/codec';

export interface ApiSettings {
  /** How clients reach this api, without a slash at its end. */
  baseUrl: string;
  /** Where plans are shown and bought. */
  upgradeUrl: string;
  /** A `mailto:` or `https:` address for security reports and questions. */
  contact: string;
  /** Whether callers on this machine are exempt from the anonymous caps. */
  loopbackExempt: boolean;
  /** Proxies (CIDR) whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[];
  /** Pages whose scripts may open sockets, besides our own. */
  socketOrigins: readonly string[];
  /** How long a session token is good for. */
  sessionTtlMs: number;
  /** null = there is no operator. */
  operatorKey: string | null;
}

/** Events that could not be announced. */
export interface OutboxPort {
  list(limit: number): Promise<DeadLetter[]>;
  /** Null when no event of that id is dead-lettered. */
  replay(id: string): Promise<{ resourceId: string } | null>;
}

export interface ApiDeps {
  settings: ApiSettings;
  store: ResourceStore;
  outbox: OutboxPort;
  identity: IdentityStore;
  teams: TeamStore;
  apiKeys: ApiKeyStore;
  auditLog: AuditLog;
  leakReport: LeakReport;
  oidc: OidcSignIn;
  serviceAccounts: ServiceAccountStore;
  cliSessions: CliSessionStore;
  lifecycle: LifecyclePort;
  feed: ChangeFeed;
  /** null = this api cannot read webhook inboxes. */
  inbox: InboxStore | null;
  /** Calls to addresses that tenants name. */
  egress: Egress;
  secrets: SecretReader;
  notifications: NotificationStore;
  jwt: JwtSigner;
  codec: CodecEndpoint;
  plans: { current(): Plans };
  logger: Logger;
  readiness: { report(): Promise<ReadinessReport> };
  metrics: Metrics;
  policies: Policies;
  rates: RateGate;
  idempotency: IdempotentRequests;
  build: Readonly<BuildInfo>;
  /** Aborted when the process is to end: streams close on it. */
  stopping: AbortSignal;
  /** Sees every answer with the route it belongs to; tests compare it with the route's schemas. */
  onAnswer?: (answer: { route: Route; status: number; body: unknown }) => void;
}
