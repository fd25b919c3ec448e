// Who is calling, as every route sees it.
import type { TeamRole } from '../../shared/authz';
import type { ActorRef, Owner } from '../../shared/resourcetype';

export interface ClientAddress {
  ip: string;
  /** The network: for counting only. */
  fingerprint: string;
  /** The whole address: what anonymous idempotency is scoped to. */
  addressHash: string;
  /** On this machine, and not handed on by a proxy that we do not know. */
  loopback: boolean;
}

export type Scope = 'read' | 'write' | 'admin';

export type Caller =
  | { type: 'anonymous'; address: ClientAddress }
  | TeamCaller
  | { type: 'operator'; address: ClientAddress; userId?: string };

/** Somebody of a team: a person by their session or id token, or an API key, which has the role of the person who made it at most. */
export interface TeamCaller {
  type: 'team';
  address: ClientAddress;
  teamId: string;
  tier: string;
  role: TeamRole;
  /** What of the role this credential may use. */
  scopes: readonly Scope[];
  /** Null for a key from the configuration. */
  userId: string | null;
  /** Runs the installation: on operator routes this person is the operator. Never true of a key. */
  platformOperator?: boolean;
  credential: { type: 'api_key'; keyId: string } | { type: 'session'; sessionId: string } | { type: 'id_token'; subject: string };
}

/** What the audit log names the credential by. */
export function credentialName({ credential }: TeamCaller): string {
  switch (credential.type) {
    case 'api_key':
      return `key:${credential.keyId}`;
    case 'session':
      return `session:${credential.sessionId}`;
    case 'id_token':
      return `oidc:${credential.subject}`;
  }
}

export type TenantCaller = Exclude<Caller, { type: 'operator' }>;

/** On operator routes a person who runs the installation is its operator. */
export function asOperator(caller: Caller): Caller {
  if (caller.type !== 'team' || caller.platformOperator !== true || caller.userId === null) return caller;
  return { type: 'operator', address: caller.address, userId: caller.userId };
}

export const ANONYMOUS_TIER = 'anonymous';

export function actorOf(caller: Caller): ActorRef {
  switch (caller.type) {
    case 'anonymous':
      return { type: 'anonymous', id: caller.address.fingerprint, ip: caller.address.ip };
    case 'team':
      return {
        type: 'team',
        id: caller.teamId,
        role: caller.role,
        userId: caller.userId ?? undefined,
        credential: credentialName(caller),
        ip: caller.address.ip,
      };
    case 'operator':
      return { type: 'operator', id: 'operator', role: 'platform_operator', userId: caller.userId, ip: caller.address.ip };
  }
}

export function ownerOf(caller: TenantCaller): Owner {
  if (caller.type === 'team') return { type: 'team', teamId: caller.teamId };
  return { type: 'anonymous', fingerprint: caller.address.fingerprint, addressHash: caller.address.addressHash };
}

export function tierOf(caller: TenantCaller): string {
  return caller.type === 'team' ? caller.tier : ANONYMOUS_TIER;
}

/** Idempotency keys of one caller never meet another's. */
export function scopeOf(caller: TenantCaller): string {
  return caller.type === 'team' ? `team:${caller.teamId}` : `anonymous:${caller.address.addressHash}`;
}
