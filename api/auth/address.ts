// The client's address, once the proxies we trust are taken off.
import type { Request } from 'express';
import ipaddr from 'ipaddr.js';
import { addressHash, ipFingerprint } from '../../shared/crypto';
import type { ClientAddress } from './caller';

const FORWARDING_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip'];

export function isLoopback(ip: string): boolean {
  return ipaddr.isValid(ip) && ipaddr.process(ip).range() === 'loopback';
}

/** `request.ip` obeys express' `trust proxy`, which is set to the configured list. */
export function clientAddress(request: Request): ClientAddress {
  const ip = request.ip ?? request.socket.remoteAddress ?? '0.0.0.0';
  // A proxy beside us that nobody told us to trust makes the whole world look local: what it forwards is not a local call.
  const viaUnknownProxy = ip === request.socket.remoteAddress && FORWARDING_HEADERS.some((name) => request.headers[name] !== undefined);
  try {
    return { ip, fingerprint: ipFingerprint({ address: ip }), addressHash: addressHash(ip), loopback: isLoopback(ip) && !viaUnknownProxy };
  } catch {
    // A trusted proxy sent something that is no address (`unknown`): the proxy's own address stands for it.
    const peer = request.socket.remoteAddress ?? '0.0.0.0';
    return { ip: peer, fingerprint: ipFingerprint({ address: peer }), addressHash: addressHash(peer), loopback: false };
  }
}
