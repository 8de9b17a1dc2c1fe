import { type Holder, judge, stillNeeded } from './deduplication-window';

const WINDOW_MS = 300;
const at = (firstMs: number, place: Partial<Holder> = {}): Holder => ({
  partition: 0,
  streamEpoch: 0,
  seq: firstMs,
  firstMs,
  expiresMs: firstMs + WINDOW_MS,
  ...place,
});

describe('the window of a deduplication id', () => {
  it.each<[string, Holder[], Holder, ReturnType<typeof judge>]>([
    ['the first of all', [], at(1_000), 'first'],
    ['itself', [at(1_000)], at(1_000), 'repeat'],
    ['itself, when a later one was accepted after it', [at(1_000), at(1_300)], at(1_000), 'repeat'],
    ['at the same instant, of another partition', [at(1_000)], at(1_000, { partition: 1 }), 'duplicate'],
    ['in the same place of another life of the stream', [at(1_000)], at(1_000, { streamEpoch: 1 }), 'duplicate'],
    ['at the end of the window', [at(1_000)], at(1_299), 'duplicate'],
    ['behind the window', [at(1_000)], at(1_300), 'first'],
    ['before one that was accepted, and in its window', [at(1_000)], at(701), 'duplicate'],
    ['before one that was accepted, and long before', [at(1_000)], at(700), 'first'],
    ['between two, with room for it', [at(1_000), at(1_600)], at(1_300), 'first'],
    ['between two, too close to the later one', [at(1_000), at(1_599)], at(1_300), 'duplicate'],
    ['between two, too close to the earlier one', [at(1_001), at(1_700)], at(1_300), 'duplicate'],
    ['when the window was longer before', [at(1_000, { expiresMs: 2_000 })], at(1_999), 'duplicate'],
  ])('%s', (_what, holders, message, verdict) => {
    expect(judge(holders, message)).toBe(verdict);
    expect(judge([...holders].reverse(), message)).toBe(verdict);
  });

  it('keeps the latest holder, and earlier ones while anything may be compared with them', () => {
    expect(stillNeeded([at(1_000), at(2_000), at(1_500)], 1_300)).toEqual([at(2_000), at(1_500)]);
    expect(stillNeeded([at(1_000), at(2_000)], 1_299)).toEqual([at(2_000), at(1_000)]);
    expect(stillNeeded([at(1_000)], 5_000)).toEqual([at(1_000)]);
  });
});
