import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { StackError } from './errors';

// Below the ephemeral range of Linux (32768..) and macOS (49152..): a remembered port must not be lent to someone's outgoing connection.
const LOWEST = 20_000;
const HIGHEST = 32_000;
/** Longer than a server takes to listen on what it was given. */
const HELD_MS = 120_000;

export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Takes the UDP port of the same number for a while, or until this process ends: so two processes that look for ports at the same time, as
 * two installations that start do, are not given the same one. False when another process has it.
 */
function hold(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.unref();
    // Where there is no such port at all, nobody is asked.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => socket.close(() => resolve(code !== 'EADDRINUSE')));
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      setTimeout(() => socket.close(), HELD_MS).unref();
      resolve(true);
    });
  });
}

/** A free loopback port that is none of `taken` (ports that were handed out but are not listened on yet), and that no other process was given just now. */
export async function findFreePort(taken: Iterable<number> = []): Promise<number> {
  const reserved = new Set(taken);
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!reserved.has(port) && (await isPortFree(port)) && (await hold(port))) return port;
  }
  throw new StackError(`no free loopback port between ${LOWEST} and ${HIGHEST}: stop something that listens there`);
}
