// Who is calling, as every route sees it.
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
  | { type: 'team'; address: ClientAddress; teamId: string; tier: string; keyId: string; scopes: readonly Scope[] }
  | { type: 'operator'; address: ClientAddress };

export type TenantCaller = Exclude<Caller, { type: 'operator' }>;

export const ANONYMOUS_TIER = 'anonymous';

export function actorOf(caller: Caller): ActorRef {
  switch (caller.type) {
    case 'anonymous':
      return { type: 'anonymous', id: caller.address.fingerprint };
    case 'team':
      return { type: 'team', id: caller.teamId, role: `key:${caller.keyId}` };
    case 'operator':
      return { type: 'operator', id: 'operator', role: 'platform_operator' };
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
