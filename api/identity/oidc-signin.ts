// Signing in by an issuer's token: a person, who gets an account at the first time, or a service account.
import { KEY_SCOPES } from '../../shared/authz';
import { currentContext, type Logger } from '../../shared/logctx';
import { unauthorized } from '../auth/authenticate';
import type { ClientAddress, TeamCaller } from '../auth/caller';
import { ApiError } from '../errors';
import type { OidcIdentity, OidcVerifier } from './oidc';
import { IssuerUnavailable } from './oidc-keys';
import type { SignInStore } from './oidc-store';
import type { ServiceAccount, ServiceAccountStore } from './serviceaccounts';
import type { IdentityStore, Member } from './store';

/** What a team of somebody's own starts with. */
const FIRST_TIER = 'free';
const TEAM_NAME_MAX = 64;

export interface OidcSignInDeps {
  verifier: Pick<OidcVerifier, 'verify' | 'knows'>;
  store: SignInStore;
  serviceAccounts: Pick<ServiceAccountStore, 'find'>;
  identity: Pick<IdentityStore, 'membershipsOf'>;
  logger: Pick<Logger, 'warn'>;
}

export class OidcSignIn {
  readonly #deps: OidcSignInDeps;

  constructor(deps: OidcSignInDeps) {
    this.#deps = deps;
  }

  /** Whether tokens of this issuer are taken here. */
  knows(issuer: string): boolean {
    return this.#deps.verifier.knows(issuer);
  }

  /**
   * Who a bearer token of an issuer is. A person is one before they are a machine: nobody can bind another's subject to a team of their
   * own and receive what that person makes. A token that names an address is a person's, for the same reason.
   * @param onRevoked told of a machine that was let in once
   * @throws ApiError unauthorized, temporarily_unavailable
   */
  async caller(token: string, address: ClientAddress, onRevoked: (caller: TeamCaller) => void): Promise<TeamCaller> {
    const identity = await this.#verified(token);
    const known = await this.#deps.store.findPerson(identity);
    if (known === null && identity.email === null) return await this.#machine(identity, address, onRevoked);
    const { userId } = known ?? (await this.#signUp(identity, address));
    const { teamId, tier, role, platformOperator } = await this.#membership(userId, identity.team);
    const credential = { type: 'id_token', subject: identity.subject } as const;
    return { type: 'team', address, teamId, tier, role, userId, platformOperator, scopes: KEY_SCOPES, credential };
  }

  /**
   * The person of an id token, and the team that a session of theirs is to be for.
   * @throws ApiError unauthorized, temporarily_unavailable
   */
  async person(idToken: string, address: ClientAddress, teamId: string | null): Promise<Member> {
    const identity = await this.#verified(idToken);
    if (identity.accessToken) throw unauthorized('invalid_claims', 'This is an access token. Send the id token of the same sign-in.');
    const { userId } = (await this.#deps.store.findPerson(identity)) ?? (await this.#signUp(identity, address));
    return await this.#membership(userId, teamId ?? identity.team);
  }

  async #verified(token: string): Promise<OidcIdentity> {
    try {
      const verification = await this.#deps.verifier.verify(token);
      if (!verification.ok) throw unauthorized(verification.reason);
      return verification.identity;
    } catch (error) {
      if (!(error instanceof IssuerUnavailable)) throw error;
      this.#deps.logger.warn('the keys of an issuer cannot be fetched', { error });
      const message = 'The issuer of the token cannot be asked for its keys. Repeat the request.';
      throw new ApiError({ code: 'temporarily_unavailable', message, cause: error });
    }
  }

  async #signUp(identity: OidcIdentity, address: ClientAddress): Promise<{ userId: string }> {
    const { issuer, subject, email, emailVerified, name } = identity;
    if (email === null) {
      throw unauthorized(
        'invalid_claims',
        'The token names no email address. Ask the issuer for the scope "email"; a machine is bound by an admin of its team as a service account.',
      );
    }
    const teamName = name ?? (email.split('@')[0] ?? email).slice(0, TEAM_NAME_MAX);
    const person = { issuer, subject, email, emailVerified, teamName, tier: FIRST_TIER };
    const actor = { type: 'anonymous', id: address.fingerprint } as const;
    return await this.#deps.store.signUp(person, { actor, correlationId: currentContext().request_id ?? '', ip: address.ip });
  }

  async #membership(userId: string, teamId: string | null): Promise<Member> {
    const memberships = await this.#deps.identity.membershipsOf(userId);
    const chosen = teamId === null ? memberships[0] : memberships.find((membership) => membership.teamId === teamId.toLowerCase());
    if (memberships.length === 0) throw unauthorized('revoked_session', 'You are in no team any more. Ask for an invitation.');
    if (chosen === undefined) throw unauthorized('invalid_claims', 'You are not in the team that this is for.');
    return chosen;
  }

  async #machine(identity: OidcIdentity, address: ClientAddress, onRevoked: (caller: TeamCaller) => void): Promise<TeamCaller> {
    const account = await this.#deps.serviceAccounts.find(identity);
    if (account === null || !isForTeam(identity, account)) {
      throw unauthorized('invalid_claims', 'Nobody has bound this subject to a team. An admin of the team adds it as a service account.');
    }
    const { teamId, tier, role, scopes, subject } = account;
    const credential = { type: 'id_token', subject } as const;
    const caller: TeamCaller = { type: 'team', address, teamId, tier, role, userId: null, scopes, credential };
    if (!account.revoked) return caller;
    onRevoked(caller);
    throw unauthorized('revoked_session', 'The service account was removed from its team.');
  }
}

function isForTeam({ team }: OidcIdentity, { teamId }: ServiceAccount): boolean {
  return team === null || team.toLowerCase() === teamId;
}
