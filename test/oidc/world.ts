// The api over a real database and a real OIDC provider, for whoever tests signing in.
import type { Express } from 'express';
import { createApp } from '../../api/app';
import type { ApiDeps } from '../../api/deps';
import { PgApiKeyStore } from '../../api/identity/apikeys';
import { PgCliSessionStore } from '../../api/identity/cli';
import { OidcVerifier } from '../../api/identity/oidc';
import type { OidcIssuer } from '../../api/identity/oidc-config';
import { DEFAULT_KEY_TIMES, type KeyTimes } from '../../api/identity/oidc-keys';
import { OidcSignIn } from '../../api/identity/oidc-signin';
import { PgSignInStore } from '../../api/identity/oidc-store';
import { PgServiceAccountStore } from '../../api/identity/serviceaccounts';
import { PgIdentityStore } from '../../api/identity/store';
import { PgTeamStore } from '../../api/identity/teams';
import { PgResourceStore } from '../../api/projection/pgstore';
import { expectDeclared, fakeApp, keyring } from '../../api/testing/fakes';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { type Account, AUDIENCE, type RealProvider, startProvider } from './provider';

export interface SignInWorld {
  provider: RealProvider;
  database: TestDatabase;
  identity: PgIdentityStore;
  deps: ApiDeps;
  app: Express;
  /** Another api process on the same database: it has fetched nothing yet. */
  freshApp(times?: Partial<KeyTimes>, issuer?: Partial<OidcIssuer>): Express;
  close(): Promise<void>;
}

export const ACCOUNTS: Record<string, Account> = {
  alice: { email: 'alice@example.com', email_verified: true, name: 'Alice' },
  bob: { email: 'bob@example.com', email_verified: true },
  mallory: { email: 'alice@example.com', email_verified: false, name: 'Mallory' },
  nomail: {},
};

export async function openSignInWorld(
  options: { accounts?: Record<string, Account>; lifecycle?: ApiDeps['lifecycle']; others?: readonly OidcIssuer[] } = {},
): Promise<SignInWorld> {
  const [provider, database] = await Promise.all([startProvider(options.accounts ?? ACCOUNTS), createTestDatabase()]);
  const { pool } = database;
  const identity = new PgIdentityStore(pool);
  const signInStore = new PgSignInStore(pool, identity);
  const serviceAccounts = new PgServiceAccountStore(pool);
  const base = fakeApp({ onAnswer: expectDeclared }).deps;
  const depsWith = (times: Partial<KeyTimes>, issuer: Partial<OidcIssuer>): ApiDeps => {
    const trusted = { issuer: provider.issuer, audiences: [AUDIENCE], jwksUri: null, teamClaim: null, trustEmail: true, ...issuer };
    const verifier = new OidcVerifier([trusted, ...(options.others ?? [])], { ...DEFAULT_KEY_TIMES, ...times });
    const oidc = new OidcSignIn({ verifier, store: signInStore, serviceAccounts, identity, logger: base.logger });
    return {
      ...base,
      store: new PgResourceStore(pool),
      identity,
      teams: new PgTeamStore(pool),
      apiKeys: new PgApiKeyStore(pool, base.logger),
      oidc,
      serviceAccounts,
      cliSessions: new PgCliSessionStore(pool, keyring),
      lifecycle: options.lifecycle ?? base.lifecycle,
    };
  };
  const deps = depsWith({}, {});
  return {
    provider,
    database,
    identity,
    deps,
    app: createApp(deps),
    freshApp: (times = {}, issuer = {}) => createApp(depsWith(times, issuer)),
    async close() {
      await Promise.all([provider.close(), database.drop()]);
    },
  };
}
