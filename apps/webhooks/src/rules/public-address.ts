import ipaddr from 'ipaddr.js';

/**
 * Addresses in public ranges behind which a cloud keeps the services of a machine itself: Azure's platform address hands
 * out credentials and settings of the machine that asks. Those of the other clouds are link-local or private.
 */
const PLATFORM_ADDRESSES = new Set(['168.63.129.16']);

/**
 * Whether an IP address is one of the public internet. Loopback, private, link-local, shared (CGNAT), multicast,
 * reserved and unspecified ones are not, nor is anything that translates to IPv4 (NAT64, 6to4, Teredo, `::/96`): what it would
 * reach cannot be told. An IPv4 address in IPv6 form counts as what it stands for.
 */
export function isPublicAddress(address: string): boolean {
  // ipaddr.js takes `::8.8.8.8` for an IPv4 address, and nobody else does.
  if (!ipaddr.isValid(address) || /^::\d+\./.test(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6 && !isGlobalUnicast(parsed)) return false;
  return parsed.range() === 'unicast' && !PLATFORM_ADDRESSES.has(parsed.toString());
}

/**
 * All that is given out is below `2000::/3`; what is not may mean anything, as `::7f00:1` does, the deprecated form of an IPv4
 * address, which some systems still follow (RFC 4291 §2.5.5.1).
 */
function isGlobalUnicast({ parts: [first = 0] }: ipaddr.IPv6): boolean {
  return first >> 13 === 1;
}
