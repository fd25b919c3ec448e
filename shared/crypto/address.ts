// Client addresses as hashes: the network for counting, the whole address for idempotency.
import { createHash } from 'node:crypto';
import ipaddr from 'ipaddr.js';

export interface ClientNetwork {
  /** IPv4 or IPv6; an IPv4-mapped IPv6 address counts as the IPv4 one. */
  address: string;
  /** Number of the autonomous system, where known. */
  asn?: number;
}

function parse(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  // The short and octal forms that ipaddr.js reads too would give one client several names.
  const valid = address.includes(':') ? ipaddr.IPv6.isValid(address) : ipaddr.IPv4.isValidFourPartDecimal(address);
  if (!valid) throw new TypeError('not an IP address');
  // The zone (%eth0) is ours, not the client's.
  return ipaddr.process(address.split('%')[0] ?? address);
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/**
 * The network a client calls from, /24 for IPv4 and /48 for IPv6, with its ASN. For counting only: many clients share one.
 * @throws TypeError when the address is none
 */
export function ipFingerprint({ address, asn }: ClientNetwork): string {
  const parsed = parse(address);
  const prefixBits = parsed.kind() === 'ipv4' ? 24 : 48;
  const bytes = parsed.toByteArray().map((byte, index) => (index < prefixBits / 8 ? byte : 0));
  return sha256Hex(`${ipaddr.fromByteArray(bytes).toNormalizedString()}/${prefixBits} AS${asn ?? ''}`);
}

/**
 * The whole address.
 * @throws TypeError when the address is none
 */
export function addressHash(address: string): string {
  return sha256Hex(parse(address).toNormalizedString());
}
