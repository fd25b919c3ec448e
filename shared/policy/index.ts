// Figures that an operator sets in place of those of plans.yaml: for all, for one team, or for one network.
export { PgPolicies, type Policies } from './policies';
export { POLICY_KEYS, policyScope } from './resolve';
