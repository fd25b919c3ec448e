// Which of the overriding figures holds for whom. Pure.
import { PLAN_KINDS, type PlanKind, RATE_NAMES, type RateName } from '../plans';

export type PolicyKey = RateName | 'provisions_per_day' | `resource_count_${PlanKind}`;
export const POLICY_KEYS: readonly PolicyKey[] = [
  ...RATE_NAMES,
  'provisions_per_day',
  ...PLAN_KINDS.map((kind) => `resource_count_${kind}` as const),
];

/** `global`, `team/<id>` or `fingerprint/<hash>`. */
export type PolicyScope = string;
/** -1 = unlimited. */
export interface Policy {
  scope: PolicyScope;
  key: PolicyKey;
  value: number;
}

export interface PolicySubject {
  teamId?: string;
  fingerprint?: string;
}

const SCOPE = /^(global|team\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|fingerprint\/[0-9a-f]{64})$/;

/** Null for what is no scope. */
export function policyScope(text: string): PolicyScope | null {
  return SCOPE.test(text) ? text : null;
}

export type PolicyTable = ReadonlyMap<string, number>;

export function policyTable(policies: readonly Policy[]): PolicyTable {
  return new Map(policies.map(({ scope, key, value }) => [`${scope} ${key}`, value]));
}

/** The most particular one: the team's, else the network's, else the one for all; null = plans.yaml holds. */
export function overriding(table: PolicyTable, key: PolicyKey, { teamId, fingerprint }: PolicySubject): number | null {
  const scopes = [
    ...(teamId === undefined ? [] : [`team/${teamId}`]),
    ...(fingerprint === undefined ? [] : [`fingerprint/${fingerprint}`]),
    'global',
  ];
  for (const scope of scopes) {
    const value = table.get(`${scope} ${key}`);
    if (value !== undefined) return value;
  }
  return null;
}
