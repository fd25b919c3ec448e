// The api over a real database and a real OIDC provider, for whoever tests signing in.
import type { Express } from 'express';
import { createApp } from '../../api/app';
import type { ApiDeps } from '../../api/deps';
import { OidcVerifier } from '../../api/identity/oidc';
import type { OidcIssuer } from '../../api/identity/oidc-config';
import { DEFAULT_KEY_TIMES, type KeyTimes } from '../../api/identity/oidc-keys';
import { OidcSignIn } from '../../api/identity/oidc-signin';
import { PgSignInStore } from '../../api/identity/oidc-store';
import { PgIdentityStore } from '../../api/identity/store';
import { PgResourceStore } from '../../api/projection/pgstore';
import { expectDeclared, fakeApp } from '../../api/testing/fakes';
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

export async function openSignInWorld(accounts: Record<string, Account> = ACCOUNTS): Promise<SignInWorld> {
  const [provider, database] = await Promise.all([startProvider(accounts), createTestDatabase()]);
  const { pool } = database;
  const identity = new PgIdentityStore(pool);
  const signInStore = new PgSignInStore(pool, identity);
  const base = fakeApp({ onAnswer: expectDeclared }).deps;
  const depsWith = (times: Partial<KeyTimes>, issuer: Partial<OidcIssuer>): ApiDeps => {
    const trusted = { issuer: provider.issuer, audiences: [AUDIENCE], jwksUri: null, teamClaim: null, trustEmail: true, ...issuer };
    const verifier = new OidcVerifier([trusted], { ...DEFAULT_KEY_TIMES, ...times });
    const oidc = new OidcSignIn({ verifier, store: signInStore, identity, logger: base.logger });
    return { ...base, store: new PgResourceStore(pool), identity, oidc };
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
