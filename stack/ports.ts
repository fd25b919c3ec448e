import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { StackError } from './errors';

// Below the ephemeral range of Linux (32768..) and macOS (49152..): a remembered port must not be lent to someone's outgoing connection.
const LOWEST = 20_000;
const HIGHEST = 32_000;

export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A free loopback port that is none of `taken` (ports that were handed out but are not listened on yet). */
export async function findFreePort(taken: Iterable<number> = []): Promise<number> {
  const reserved = new Set(taken);
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!reserved.has(port) && (await isPortFree(port))) return port;
  }
  throw new StackError(`no free loopback port between ${LOWEST} and ${HIGHEST}: stop something that listens there`);
}
