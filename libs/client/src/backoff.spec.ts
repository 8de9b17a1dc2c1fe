import { afterClose, NO_TRIES, type Tries } from './backoff';

const full = () => 1;
const none = () => 0;
const tries = (n: number, more: Partial<Tries> = {}): Tries => ({ ...NO_TRIES, n, ...more });

describe('when to connect again after a close (client-library §4)', () => {
  it.each([
    [1000, 0, 0, 1_000],
    [1006, 1, 0, 2_000],
    [1006, 4, 0, 16_000],
    [1006, 9, 0, 20_000],
    [3000, 0, 0, 1_000],
    [1012, 0, 0, 5_000],
    [1012, 9, 0, 5_000],
    [1013, 0, 1_000, 10_000],
    [1002, 0, 0, 8_000],
    [1009, 5, 0, 20_000],
    [4401, 0, 0, 1_000],
    [4403, 0, 0, 1_000],
    [4429, 0, 5_000, 15_000],
    [4429, 3, 40_000, 50_000],
    [4429, 6, 60_000, 60_000],
  ])('%i as try %i: from %i to %i ms', (code, n, least, most) => {
    expect(afterClose(code, tries(n), none).delayMs).toBe(least);
    expect(afterClose(code, tries(n), full).delayMs).toBe(most);
  });

  it('doubles with each try, but for those that the server spreads itself', () => {
    expect(afterClose(1006, tries(0), full).tries.n).toBe(1);
    expect(afterClose(1007, tries(0), full).tries.n).toBe(4);
    expect(afterClose(1012, tries(2), full).tries.n).toBe(2);
    expect(afterClose(1013, tries(2), full).tries.n).toBe(2);
  });

  it('takes its base and its end from the options', () => {
    expect(afterClose(1006, tries(1), full, { baseMs: 10 }).delayMs).toBe(20);
    expect(afterClose(1006, tries(9), full, { baseMs: 10, maxMs: 50 }).delayMs).toBe(50);
  });

  it.each([
    [[4401, 4401, 4401], true],
    [[4401, 4401], false],
    [[4403, 4403], true],
    [[4401, 4403, 4401], false],
    [[4401, 4401, 1006, 4401], false],
  ])('after %j gives up: %s', (codes, isFinal) => {
    let last = { tries: NO_TRIES, isFinal: false };
    for (const code of codes) last = afterClose(code, last.tries, full);
    expect(last.isFinal).toBe(isFinal);
  });
});
