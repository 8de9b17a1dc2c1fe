import fc from 'fast-check';
import { isValid } from 'ulid';
import { firstIdOf, idTimeMs, isUlid, LATEST_ID_MS, messageId } from './message-id';

const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const sequences = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const partitions = fc.integer({ min: 0, max: 1_023 });

describe('message ids', () => {
  it('are ULIDs that carry their time', () => {
    fc.assert(
      fc.property(times, sequences, partitions, (time, sequence, partition) => {
        const id = messageId(time, sequence, partition);
        expect(isValid(id)).toBe(true);
        expect(isUlid(id)).toBe(true);
        expect(idTimeMs(id)).toBe(time);
        expect(id >= firstIdOf(time)).toBe(true);
      }),
    );
  });

  it('rise with time, then with the sequence of the stream', () => {
    fc.assert(
      fc.property(times, times, sequences, sequences, partitions, (t1, t2, s1, s2, partition) => {
        fc.pre(t1 !== t2 || s1 !== s2);
        const before = t1 < t2 || (t1 === t2 && s1 < s2);
        expect(messageId(t1, s1, partition) < messageId(t2, s2, partition)).toBe(before);
      }),
    );
  });

  it('begin somewhere for every instant, and for nothing else', () => {
    expect(firstIdOf(-1)).toBe('0'.repeat(26));
    expect(firstIdOf(1e300)).toBe(firstIdOf(LATEST_ID_MS));
    for (const none of [NaN, Infinity, null as never]) expect(() => firstIdOf(none)).toThrow(RangeError);
  });

  it('differ between partitions that share a millisecond and a sequence', () => {
    expect(messageId(1, 1, 0)).not.toBe(messageId(1, 1, 1));
  });

  it.each([
    '',
    '01JA3S0TNEC2QBYMZRBMCEXGN',
    '81JA3S0TNEC2QBYMZRBMCEXGNW',
    '01JA3S0TNEC2QBYMZRBMCEXGNU',
    '01JA3S0TNEC2QBYMZRBMCEXGNWX',
  ])('does not take %j for a ULID', (text) => {
    expect(isUlid(text)).toBe(false);
  });
});
