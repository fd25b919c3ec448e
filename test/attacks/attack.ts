// What every suite of attacks exports, so that one command can try them all and print one table.

/** One thing that a tenant tries. Whatever is not refused says in one line what was breached. */
export interface Attack {
  name: string;
  run(): Promise<'refused' | { breached: string }>;
}

export interface AttackSuite {
  kind: string;
  /** Makes two tenants on the real server; `skipped` says why there is no server. */
  open(): Promise<{ attacks: Attack[]; close(): Promise<void> } | { skipped: string }>;
}
