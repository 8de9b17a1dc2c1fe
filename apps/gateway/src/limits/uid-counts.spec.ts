import fc from 'fast-check';
import { UidCounts } from './uid-counts';

/** Everything that one tells arrives at the others. */
function exchange(gateways: readonly UidCounts[], nowMs = 0): void {
  for (const gateway of gateways) {
    for (const report of gateway.takeReports()) for (const other of gateways) other.take(report, nowMs);
  }
}

describe('UidCounts', () => {
  it('knows the connections of all gateways once they have told', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.constantFrom('a', 'b'), fc.boolean())), (changes) => {
        const gateways = ['x', 'y', 'z'].map((name) => new UidCounts(name));
        const counts = new Map<string, number>();
        for (const [at, uid, begins] of changes) {
          const key = `${at} ${uid}`;
          const count = counts.get(key) ?? 0;
          if (!begins && count === 0) continue;
          counts.set(key, count + (begins ? 1 : -1));
          gateways[at]?.change(uid, begins ? 1 : -1);
          if (count === 1) exchange(gateways);
        }
        exchange(gateways);
        for (const uid of ['a', 'b']) {
          const total = [0, 1, 2].reduce((sum, at) => sum + (counts.get(`${at} ${uid}`) ?? 0), 0);
          for (const gateway of gateways) expect(gateway.of(uid)).toBe(total);
        }
      }),
    );
  });

  it('tells a newcomer, who asks', () => {
    const [old, young] = [new UidCounts('old'), new UidCounts('young')];
    old.change('u', 1);
    old.takeReports();
    exchange([young, old]);
    expect(young.of('u')).toBe(1);
  });

  it('asks again when it has missed something', () => {
    const [one, other] = [new UidCounts('one'), new UidCounts('other')];
    exchange([one, other]);
    one.change('u', 1);
    one.takeReports();
    exchange([one, other]);
    exchange([other, one]);
    expect(other.of('u')).toBe(1);
  });

  it('forgets a gateway that has left, and one that has died', () => {
    const [one, other, third] = [new UidCounts('one'), new UidCounts('other'), new UidCounts('third')];
    for (const gateway of [one, other]) gateway.change('u', 1);
    exchange([one, other, third]);
    expect(third.of('u')).toBe(2);
    third.take(one.farewell(), 0);
    expect(third.of('u')).toBe(1);
    third.sweep(10_001);
    expect(third.of('u')).toBe(0);
  });

  it('forgets nobody for what it could not hear', () => {
    const [one, other] = [new UidCounts('one'), new UidCounts('other')];
    one.change('u', 1);
    exchange([one, other]);
    other.couldNotHear(20_000);
    other.sweep(30_000);
    expect(other.of('u')).toBe(1);
    other.sweep(30_001);
    expect(other.of('u')).toBe(0);
  });
});
