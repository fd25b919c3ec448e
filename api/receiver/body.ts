// Reads a body up to a limit, as it was sent: neither decoded nor unpacked, so that a signature over it still holds.
import type { IncomingMessage } from 'node:http';

export type BodyOutcome = { type: 'read'; body: Buffer } | { type: 'too_large' } | { type: 'aborted' };

export function readBody(request: IncomingMessage, limitBytes: number): Promise<BodyOutcome> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (outcome: BodyOutcome) => {
      request.off('data', onData);
      resolve(outcome);
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) finish({ type: 'too_large' });
      else chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () => finish({ type: 'read', body: Buffer.concat(chunks) }));
    request.once('close', () => finish({ type: 'aborted' }));
    request.once('error', () => finish({ type: 'aborted' }));
  });
}
