import ipaddr from 'ipaddr.js';

/**
 * Addresses in public ranges behind which a cloud keeps the services of a machine itself: Azure's platform address hands
 * out credentials and settings of the machine that asks. Those of the other clouds are link-local or private.
 */
const PLATFORM_ADDRESSES = new Set(['168.63.129.16']);

/**
 * Whether an IP address is one of the public internet. Loopback, private, link-local, shared (CGNAT), multicast,
 * reserved and unspecified ones are not, nor is anything that translates to IPv4 (NAT64, 6to4, Teredo): what it would
 * reach cannot be told. An IPv4 address in IPv6 form counts as what it stands for.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && !PLATFORM_ADDRESSES.has(parsed.toString());
}
