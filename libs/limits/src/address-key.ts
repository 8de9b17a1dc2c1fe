/**
 * By which clients of one address are counted together: the IPv4 address itself, of IPv6 the /64, because that is what
 * one customer has at least (limits §2).
 *
 * @param address as `sourceIp` gives it; what is no address is a key of its own
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const [bare = ''] = address.split('%', 1);
  const [head = '', tail] = bare.split('::', 2);
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '').toLowerCase()).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  if (text === '') return [];
  // The last 32 bits may be written as an IPv4 address, which takes the room of two groups.
  return text.split(':').flatMap((group) => (group.includes('.') ? [group, group] : [group]));
}
