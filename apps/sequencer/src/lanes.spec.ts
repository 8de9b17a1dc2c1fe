import { encodeLanePlace } from '@hearth/wire';
import { Lanes } from './lanes';

const id = (lane: string, number: number): string => encodeLanePlace({ lane, number });
const admitted = (lanes: Lanes, ...ids: readonly string[]): boolean[] => ids.map((one) => lanes.admit(one));

describe('the lanes of a partition', () => {
  it('take what comes in its order, with gaps, each lane by itself', () => {
    expect(admitted(new Lanes(), id('a', 1), id('b', 1), id('a', 2), id('a', 7), id('b', 2))).toEqual(
      Array(5).fill(true),
    );
  });

  it('leave out what comes twice, and what comes behind a later one', () => {
    expect(admitted(new Lanes(), id('a', 1), id('a', 1), id('a', 5), id('a', 4), id('a', 6))).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
  });

  it('take whatever is in no lane', () => {
    const ids = ['', 'lane:', 'lane:a', 'lane:a:', 'lane:a:0', 'lane:a:-1', 'lane:a:x', 'lane::1', 'r1', 'lane:a:1.5'];
    for (const other of [...ids, ...ids]) expect(new Lanes('a:9').admit(other)).toBe(true);
    expect(new Lanes('a:9').admit(undefined)).toBe(true);
  });

  it('go on where they were saved', () => {
    const lanes = new Lanes();
    admitted(lanes, id('a', 3), id('-b_', 12), id('a', 4));
    const saved = lanes.toString();
    expect(saved).toBe('-b_:12 a:4');
    expect(admitted(new Lanes(saved), id('a', 4), id('a', 5), id('-b_', 11))).toEqual([false, true, false]);
    expect(new Lanes('').toString()).toBe('');
  });

  it('are followed by what has changed, and whoever follows forgets the same', () => {
    const lanes = new Lanes('a:1 b:1');
    const follower = new Lanes('x:9');
    const follow = (): string => {
      follower.follow(lanes.takeChanges());
      return follower.toString();
    };
    expect(follow()).toBe('a:1 b:1');
    admitted(lanes, id('a', 2), id('c', 7), id('a', 3));
    expect(follower.toString()).toBe('a:1 b:1');
    expect(follow()).toBe('b:1 c:7 a:3');
    expect(lanes.takeChanges().last.size).toBe(0);
    for (let n = 0; n < 1_500; n++) lanes.admit(id(`new${n}`, 1));
    expect(follow()).toBe(lanes.toString());
  });

  it('forget those that have been silent for longest', () => {
    const lanes = new Lanes('old:5 older:5');
    lanes.admit(id('old', 6));
    for (let n = 0; n < 999; n++) lanes.admit(id(`new${n}`, 1));
    expect(lanes.toString().split(' ')).toHaveLength(1_000);
    expect(admitted(lanes, id('old', 6), id('older', 5))).toEqual([false, true]);
  });
});
