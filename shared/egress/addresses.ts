// Which addresses may be called on a tenant's behalf: public unicast ones, and what an operator has named.
import ipaddr from 'ipaddr.js';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** All that has been handed out to the public so far (IANA); the rest of IPv6 is reserved, local or not routed. */
const GLOBAL_IPV6: Range = ipaddr.parseCIDR('2000::/3');
/** Public by its number, but answered by the machine below: Azure's metadata and key service. */
const PLATFORM_SERVICES = new Set(['168.63.129.16']);

/** @throws Error that names the entry */
export function parseRanges(cidrs: readonly string[]): Range[] {
  return cidrs.map((text) => {
    if (!ipaddr.isValidCIDR(text)) throw new Error(`${text} is not a CIDR range`);
    return ipaddr.parseCIDR(text);
  });
}

/**
 * IPv6 forms that carry an IPv4 address (mapped, NAT64, 6to4, Teredo) are refused whatever they carry: a translator on the way could
 * make a private address of it.
 */
export function isCallable(text: string, allowed: readonly Range[] = []): boolean {
  // Four decimal parts or IPv6: other spellings are read differently by different libraries.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (allowed.some((range) => within(address, range))) return true;
  if (address.range() !== 'unicast' || PLATFORM_SERVICES.has(address.toString())) return false;
  return address.kind() === 'ipv4' || within(address, GLOBAL_IPV6);
}

function within(address: ipaddr.IPv4 | ipaddr.IPv6, range: Range): boolean {
  return address.kind() === range[0].kind() && address.match(range);
}
