// Closed-loop load: so many clients, each with its next call as soon as the last one was answered.

export type Call = (client: number) => Promise<void>;

export interface Turn {
  latenciesMs: number[];
  wallMs: number;
}

export interface Summary {
  calls: number;
  p50: number;
  p95: number;
  p99: number;
  perSecond: number;
}

/** `calls` calls in all, shared among the clients; the first failure ends the turn. */
export async function runTurn(call: Call, load: { clients: number; calls: number }): Promise<Turn> {
  const latenciesMs: number[] = [];
  let left = load.calls;
  const client = async (index: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const beganMs = performance.now();
      await call(index);
      latenciesMs.push(performance.now() - beganMs);
    }
  };
  const beganMs = performance.now();
  await Promise.all(Array.from({ length: load.clients }, (_, index) => client(index)));
  return { latenciesMs, wallMs: performance.now() - beganMs };
}

export function summarize(turns: readonly Turn[]): Summary {
  const sorted = turns.flatMap((turn) => turn.latenciesMs).sort((a, b) => a - b);
  const wallMs = turns.reduce((sum, turn) => sum + turn.wallMs, 0);
  return {
    calls: sorted.length,
    p50: percentile(sorted, 50),
    p95: percentile(sorted, 95),
    p99: percentile(sorted, 99),
    perSecond: (sorted.length * 1000) / wallMs,
  };
}

/** Nearest rank: a value that was measured, none in between. */
function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
