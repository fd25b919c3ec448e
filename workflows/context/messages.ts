// What travels beside every call as a Temporal header, so that the log lines of all processes can be put together. No secret.

export const CONTEXT_HEADER = 'leasehold-context';

export interface CallContext {
  request_id?: string;
  trace_id?: string;
  team_id?: string;
}
