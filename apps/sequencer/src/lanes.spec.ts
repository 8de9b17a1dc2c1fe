import { encodeLanePlace } from '@hearth/wire';
import { Lanes, lanesText } from './lanes';

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
    const saved = lanesText(lanes.snapshot());
    expect(saved).toBe('-b_:12 a:4');
    expect(admitted(new Lanes(saved), id('a', 4), id('a', 5), id('-b_', 11))).toEqual([false, true, false]);
    expect(lanesText(new Lanes('').snapshot())).toBe('');
  });

  it('are as they were when they were looked at', () => {
    const lanes = new Lanes('a:1');
    const before = lanes.snapshot();
    lanes.admit(id('a', 2));
    expect(lanesText(before)).toBe('a:1');
  });

  it('forget those that have been silent for longest', () => {
    const lanes = new Lanes('old:5 older:5');
    lanes.admit(id('old', 6));
    for (let n = 0; n < 999; n++) lanes.admit(id(`new${n}`, 1));
    expect(lanes.snapshot().size).toBe(1_000);
    expect(admitted(lanes, id('old', 6), id('older', 5))).toEqual([false, true]);
  });
});
