import { addressKey } from './address-key';
import { Penalties } from './penalties';

describe('addressKey', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0DB8:0000:0000:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
    ['', ''],
  ])('of %s is %s', (address, key) => expect(addressKey(address)).toBe(key));
});

describe('Penalties', () => {
  it('last for their time, the last one counts', () => {
    const penalties = new Penalties(10);
    penalties.add('a', 0);
    expect(penalties.leftMs('a', 4)).toBe(6);
    penalties.add('a', 4);
    expect([penalties.leftMs('a', 4), penalties.leftMs('a', 14), penalties.leftMs('b', 4)]).toEqual([10, 0, 0]);
  });

  it('are bounded, and the oldest go first', () => {
    const penalties = new Penalties(10, 2);
    for (const key of ['a', 'b', 'c']) penalties.add(key, 0);
    expect(['a', 'b', 'c'].map((key) => penalties.leftMs(key, 0))).toEqual([0, 10, 10]);
  });
});
