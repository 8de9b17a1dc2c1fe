import * as fc from 'fast-check';
import { Fate, Lane } from './lane';

/** What happens in a lane, in order: `1@7` the first attempt is confirmed at place 7, `1@@7` a later one; `!1` given up, `-1` refused. */
function fatesOf(sent: number, ...happens: string[]): Record<string, Fate> {
  const fates: Record<string, Fate> = {};
  const lane = new Lane<number>((n, fate) => (fates[n] = fate));
  for (let n = 1; n <= sent; n++) expect(lane.enter(n)).toBe(n);
  for (const event of happens) {
    const [, sign = '', n, at = '', place] = /^([!-]?)(\d+)(@*)(\d*)$/.exec(event) ?? [];
    if (sign !== '') lane.failed(Number(n), sign === '-');
    else lane.stored(Number(n), Number(place), at.length > 1);
  }
  return fates;
}

describe('what one publisher sends to one stream', () => {
  it('is accepted as it is confirmed, in its order', () => {
    expect(fatesOf(3, '1@10', '2@11')).toEqual({ 1: 'accepted', 2: 'accepted' });
  });

  it('is accepted whatever becomes of what was sent before', () => {
    expect(fatesOf(3, '3@10')).toEqual({ 3: 'accepted' });
    expect(fatesOf(3, '!1', '-2', '3@10')).toEqual({ 3: 'accepted' });
  });

  it('is overtaken when a repeat of it stands behind a later one', () => {
    expect(fatesOf(2, '2@10', '1@@11')).toEqual({ 2: 'accepted', 1: 'overtaken' });
    expect(fatesOf(3, '3@10', '2@@12', '1@@11')).toEqual({ 3: 'accepted', 2: 'overtaken', 1: 'overtaken' });
  });

  it('is accepted when only the confirmation had been lost', () => {
    expect(fatesOf(2, '2@10', '1@@9')).toEqual({ 2: 'accepted', 1: 'accepted' });
  });

  it('waits, when it was repeated, for the places of what had been sent by then', () => {
    expect(fatesOf(3, '1@@11', '3@12')).toEqual({ 3: 'accepted' });
    expect(fatesOf(3, '1@@11', '3@12', '2@@10')).toEqual({ 3: 'accepted', 1: 'overtaken', 2: 'accepted' });
    expect(fatesOf(3, '1@@9', '2@@10', '3@@11')).toEqual({ 1: 'accepted', 2: 'accepted', 3: 'accepted' });
    expect(fatesOf(3, '3@@11', '2@@10', '1@@9')).toEqual({ 1: 'accepted', 2: 'accepted', 3: 'accepted' });
  });

  it('does not wait for what is certainly not there', () => {
    expect(fatesOf(2, '1@@11', '-2')).toEqual({ 1: 'accepted' });
  });

  it('is taken for overtaken when it was repeated and nobody knows where a later one stands', () => {
    expect(fatesOf(2, '1@@11', '!2')).toEqual({ 1: 'overtaken' });
    expect(fatesOf(2, '!2', '1@@11')).toEqual({ 1: 'overtaken' });
    expect(fatesOf(2, '!2', '1@11')).toEqual({ 1: 'accepted' });
  });

  it('has one fate, however often it is confirmed', () => {
    expect(fatesOf(1, '1@10', '1@11', '!1')).toEqual({ 1: 'accepted' });
    expect(fatesOf(2, '1@@11', '1@@12', '2@13')).toEqual({ 1: 'accepted', 2: 'accepted' });
  });

  it('is read in the order of the calls, and exactly what is accepted is read', () => {
    const sent = 6;
    // A stream that loses some first attempts, takes repeats in any order, and confirms in any order.
    const run = fc.record({
      lost: fc.uniqueArray(fc.integer({ min: 1, max: sent })),
      repeats: fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: sent }),
      unheard: fc.uniqueArray(fc.integer({ min: 1, max: sent })),
    });
    fc.assert(
      fc.property(run, ({ lost, repeats, unheard }) => {
        const stream: number[] = [];
        for (let n = 1; n <= sent; n++) if (!lost.includes(n)) stream.push(n);
        const fates = new Map<number, Fate>();
        const lane = new Lane<number>((n, fate) => fates.set(n, fate));
        for (let n = 1; n <= sent; n++) lane.enter(n);
        for (const n of stream) if (!unheard.includes(n)) lane.stored(n, stream.indexOf(n), false);
        for (const n of repeats) {
          if (fates.has(n)) continue;
          if (!stream.includes(n)) stream.push(n);
          lane.stored(n, stream.indexOf(n), true);
        }
        const read = stream.filter((n, index) => stream.slice(0, index).every((before) => before < n));
        const accepted = [...fates].filter(([, fate]) => fate === 'accepted').map(([n]) => n);
        expect(fates.size).toBe(sent);
        expect(accepted.sort((a, b) => a - b)).toEqual(read);
      }),
    );
  });

  it('is settled after an outage however many there are', () => {
    const sent = 20_000;
    const numbers = Array.from({ length: sent }, (_, index) => index + 1);
    const settled = (happens: (lane: Lane<number>, n: number) => void, order = numbers): number => {
      let count = 0;
      const lane = new Lane<number>(() => count++);
      for (const n of numbers) lane.enter(n);
      for (const n of order) happens(lane, n);
      return count;
    };
    expect(settled((lane, n) => lane.stored(n, n, true))).toBe(sent);
    expect(settled((lane, n) => lane.stored(n, n, true), [...numbers].reverse())).toBe(sent);
    expect(settled((lane, n) => (n % 2 === 0 ? lane.stored(n, n, n % 4 === 0) : lane.failed(n, false)))).toBe(sent / 2);
    expect(settled((lane, n) => lane.failed(n, n % 2 === 0))).toBe(0);
  });
});
