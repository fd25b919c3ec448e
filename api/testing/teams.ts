// Teams, keys and an audit log that hold nothing: what they do with something is tested on Postgres.
import type { ApiDeps } from '../deps';

const nothing = async () => null;
const none = async () => [];
const refused = () => Promise.reject(new Error('no teams here'));

export const emptyTeams: Pick<ApiDeps, 'teams' | 'apiKeys' | 'auditLog' | 'leakReport'> = {
  teams: {
    team: nothing,
    rename: async () => undefined,
    members: none,
    member: nothing,
    changeRole: async () => 'absent',
    removeMember: async () => 'absent',
    invitations: none,
    invitation: nothing,
    invite: refused,
    revokeInvitation: async () => false,
    acceptInvitation: async () => 'inactive',
    endSession: async () => false,
  },
  apiKeys: { create: refused, list: none, revoke: async () => false, used: () => undefined },
  auditLog: { page: none },
  leakReport: { leaks: async () => ({ orphans: [], deleteFailed: [], overdue: [] }) },
};
