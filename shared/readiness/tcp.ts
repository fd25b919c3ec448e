// One question and one answer over a TCP connection of its own.
import { connect } from 'node:net';

export interface TcpAddress {
  host: string;
  port: number;
}

export interface Exchange extends TcpAddress {
  /** Sent once connected; nothing for a server that speaks first. */
  send?: Buffer | string;
  /** Whether all of the answer is there. What it throws fails the exchange. */
  isComplete: (received: Buffer) => boolean;
  signal: AbortSignal;
}

/** A peer that does not speak the protocol may send without end. */
const LONGEST_ANSWER = 1024 * 1024;

/** Resolves at the complete answer; rejects when the connection fails, ends before it, or the signal aborts. */
export function exchange({ host, port, send, isComplete, signal }: Exchange): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const socket = connect({ host, port, signal });
    const fail = (error: unknown) => {
      socket.destroy();
      reject(error);
    };
    socket.once('connect', () => {
      if (send !== undefined) socket.write(send);
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      try {
        if (isComplete(received)) {
          socket.destroy();
          resolve(received);
        } else if (received.length > LONGEST_ANSWER) {
          fail(new Error('answered without end'));
        }
      } catch (error) {
        fail(error);
      }
    });
    socket.on('error', fail);
    socket.once('close', () => reject(new Error('closed the connection without an answer')));
  });
}
