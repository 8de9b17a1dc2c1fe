import { isPublicAddress } from './public-address';

describe('a public address', () => {
  it.each(['8.8.8.8', '203.0.114.1', '100.63.255.255', '172.32.0.1', '2606:4700:4700::1111', '::ffff:8.8.8.8'])(
    'is %s',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    ['loopback', '127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::127.0.0.1'],
    ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fd00::1', 'fc00::1', 'fec0::1'],
    ['link-local, metadata services', '169.254.169.254', 'fe80::1', 'fe80::1%eth0', '::ffff:a9fe:a9fe'],
    ['shared and platform', '100.64.0.1', '100.100.100.200', '168.63.129.16', '::ffff:168.63.129.16'],
    ['unspecified and broadcast', '0.0.0.0', '0.1.2.3', '::', '255.255.255.255'],
    ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1'],
    ['reserved and documentation', '192.0.0.1', '198.18.0.1', '240.0.0.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
    ['not given out', '4000::1', '1000::1', 'e000::1', '200::1'],
    ['translated to IPv4', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '2002:7f00:1::', '2001::1', '::ffff:0:7f00:1'],
    ['IPv4 in its compatible form', '::7f00:1', '::a00:1', '::a9fe:a9fe', '::8.8.8.8', '::1:1'],
    ['not an address', '', 'localhost', '127.1', '1.2.3.4.5', '::g', '[::1]'],
  ])('is none that is %s', (_kind, ...addresses) => {
    expect(addresses.filter((address) => isPublicAddress(address))).toEqual([]);
  });
});
