// Reads a body up to a limit, as it was sent: neither decoded nor unpacked, so that a signature over it still holds.
import type { IncomingMessage } from 'node:http';

export type BodyOutcome = { type: 'read'; body: Buffer } | { type: 'too_large' } | { type: 'no_room' } | { type: 'aborted' };

/** How much of all bodies together is held in memory at the moment. */
export interface BodyGauge {
  heldBytes: number;
  readonly limitBytes: number;
}

/** What was read counts as held until `release` is called. */
export function readBody(
  request: IncomingMessage,
  { limitBytes, gauge }: { limitBytes: number; gauge: BodyGauge },
): Promise<BodyOutcome & { release(): void }> {
  return new Promise((resolve) => {
    let held = 0;
    const release = () => {
      gauge.heldBytes -= held;
      held = 0;
    };
    const chunks: Buffer[] = [];
    let length = 0;
    let over = false;
    const finish = (outcome: BodyOutcome) => {
      // It is closed after its end, too.
      if (over) return;
      over = true;
      request.off('data', onData);
      if (outcome.type !== 'read') release();
      resolve({ ...outcome, release });
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) return finish({ type: 'too_large' });
      if (gauge.heldBytes + chunk.length > gauge.limitBytes) return finish({ type: 'no_room' });
      held += chunk.length;
      gauge.heldBytes += chunk.length;
      chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () => finish({ type: 'read', body: Buffer.concat(chunks) }));
    request.once('close', () => finish({ type: 'aborted' }));
    request.once('error', () => finish({ type: 'aborted' }));
  });
}
