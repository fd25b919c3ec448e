// Figures that an operator sets in place of those of plans.yaml: for all, for one team, or for one network.
export { PolicyReader } from './reader';
export { overriding, POLICY_KEYS, type Policy, type PolicyKey, type PolicyScope, type PolicySubject, policyScope } from './resolve';
export { deletePolicy, listPolicies, putPolicy } from './store';
