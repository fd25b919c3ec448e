// Keeps a running activity alive in Temporal's eyes, and hears of its cancellation through the answers.
import { Context } from '@temporalio/activity';

export const HEARTBEAT_INTERVAL_MS = 2_000;

/**
 * Runs `work` with a heartbeat every `intervalMs` (default 2 s; give the activity a heartbeatTimeout of 10 s).
 * On cancellation `work`'s signal is aborted and the call ends with Temporal's CancelledFailure at once: `work` must stop by its signal.
 */
export async function withHeartbeat<T>(work: (signal: AbortSignal) => Promise<T>, intervalMs = HEARTBEAT_INTERVAL_MS): Promise<T> {
  const context = Context.current();
  context.heartbeat();
  const beat = setInterval(() => context.heartbeat(), intervalMs);
  try {
    // `cancelled` never resolves; it rejects with CancelledFailure.
    return await Promise.race([work(context.cancellationSignal), context.cancelled]);
  } finally {
    clearInterval(beat);
  }
}
