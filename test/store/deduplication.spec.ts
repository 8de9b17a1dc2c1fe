import { claimDeduplicationIds, type DeduplicationEntry } from '@hearth/store';
import { testDatabase } from './test-database';

const WINDOW_MS = 300_000;

describe('deduplication', () => {
  const database = testDatabase();
  let nextSeq = 1;

  afterEach(() => database.db.deleteFrom('dedup').execute());

  const entry = (id: string, timeMs: number, place: Partial<DeduplicationEntry> = {}): DeduplicationEntry => ({
    id,
    timeMs,
    partition: 0,
    streamEpoch: 0,
    seq: nextSeq++,
    windowMs: WINDOW_MS,
    ...place,
  });
  const claim = (...entries: DeduplicationEntry[]) =>
    database.db.transaction().execute(async (tx) => {
      const holders = await claimDeduplicationIds(tx, entries);
      return holders.map((holder) => holder === undefined);
    });

  it('accepts the first, drops the rest of the window, and accepts again when it ends', async () => {
    expect(await claim(entry('a', 1_000))).toEqual([true]);
    expect(await claim(entry('a', 1_000))).toEqual([false]);
    expect(await claim(entry('a', 1_000 + WINDOW_MS - 1), entry('b', 0))).toEqual([false, true]);
    expect(await claim(entry('a', 1_000 + WINDOW_MS))).toEqual([true]);
  });

  it('counts the window from the first one accepted: duplicates do not extend it, an acceptance starts a new one', async () => {
    await claim(entry('a', 0));
    expect(await claim(entry('a', WINDOW_MS - 1))).toEqual([false]);
    expect(await claim(entry('a', WINDOW_MS))).toEqual([true]);
    expect(await claim(entry('a', 2 * WINDOW_MS - 1))).toEqual([false]);
    expect(await claim(entry('a', 2 * WINDOW_MS))).toEqual([true]);
  });

  it('accepts a repeat of the first, at any time and by any worker, but no other message', async () => {
    const first = entry('a', 0, { partition: 3, streamEpoch: 2, seq: 7 });
    expect(await claim(first)).toEqual([true]);
    expect(await claim(first)).toEqual([true]);
    expect(await claim({ ...first, timeMs: WINDOW_MS - 1 })).toEqual([true]);
    expect(await claim({ ...first, partition: 4 })).toEqual([false]);
    expect(await claim({ ...first, streamEpoch: 3 })).toEqual([false]);
    expect(await claim({ ...first, seq: 8 })).toEqual([false]);
  });

  it('accepts a repeat of each message that was accepted with an id, however many have been since', async () => {
    const times = [0, WINDOW_MS, 2 * WINDOW_MS, 5 * WINDOW_MS];
    const first = times.map((timeMs) => entry('a', timeMs));
    for (const one of first) expect(await claim(one)).toEqual([true]);
    expect(await claim(...first)).toEqual([true, true, true, true]);
    for (const one of first) expect(await claim(one, { ...one, partition: 1 })).toEqual([true, false]);
  });

  it('takes one of a window, also when a later one was accepted before it, by a partition that is ahead', async () => {
    await claim(entry('a', 2 * WINDOW_MS, { partition: 1 }));
    const [tooLate, early] = [entry('a', WINDOW_MS + 1), entry('a', 0)];
    expect(await claim(tooLate)).toEqual([false]);
    expect(await claim(early)).toEqual([true]);
    expect(await claim(early, entry('a', 1), entry('a', WINDOW_MS), entry('a', 3 * WINDOW_MS))).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  it('judges entries with the same id in one call in their order', async () => {
    const [first, second] = [entry('a', 0), entry('a', 1)];
    expect(await claim(first, entry('b', 0), second, entry('a', 2))).toEqual([true, true, false, false]);
    expect(await claim(second, first)).toEqual([false, true]);
  });

  it('starts a new window inside one call when the old one ends between two entries', async () => {
    const times = [0, WINDOW_MS - 1, WINDOW_MS, WINDOW_MS + 1, 2 * WINDOW_MS, 2 * WINDOW_MS];
    expect(await claim(...times.map((timeMs) => entry('a', timeMs)))).toEqual([true, false, true, false, true, false]);
    expect(await claim(entry('a', 3 * WINDOW_MS - 1))).toEqual([false]);
  });

  it('forgets a claim whose batch was rolled back', async () => {
    const failed = database.db.transaction().execute(async (tx) => {
      await claimDeduplicationIds(tx, [entry('a', 0)]);
      throw new Error('the batch failed');
    });
    await expect(failed).rejects.toThrow('the batch failed');
    expect(await claim(entry('a', 1))).toEqual([true]);
  });

  it('takes an empty batch, and ids of every kind', async () => {
    expect(await claim()).toEqual([]);
    const ids = ['', ' ', 'NULL', '{}', '"', '\\', "'", 'ä', 'a\u0308', '😀', 'A', 'a'];
    expect(await claim(...ids.map((id) => entry(id, 0)))).toEqual(ids.map(() => true));
    expect(await claim(...ids.map((id) => entry(id, 1)))).toEqual(ids.map(() => false));
  });

  it('accepts every id exactly once when many batches claim them at once, in any order, without a deadlock', async () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => `id-${(index * 7_919) % 1_000}`);
    const copies = 8;
    const accepted = new Map<string, number>();
    await Promise.all(
      Array.from({ length: copies }, async (_, copy) => {
        // Each worker has all ids, in an order and in batches of its own.
        const mine = [...ids.slice(copy * 100), ...ids.slice(0, copy * 100)];
        if (copy % 2 === 1) mine.reverse();
        for (let from = 0; from < mine.length; from += 40 + copy) {
          const batch = mine.slice(from, from + 40 + copy).map((id) => entry(id, copy, { partition: copy }));
          const result = await claim(...batch);
          batch.forEach(({ id }, index) => accepted.set(id, (accepted.get(id) ?? 0) + Number(result[index])));
        }
      }),
    );
    expect(accepted.size).toBe(1_000);
    expect(new Set(accepted.values())).toEqual(new Set([1]));
  });

  it('lets one of two batches win when the window of an id ends for both at the same instant', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`);
    await claim(...ids.map((id) => entry(id, 0)));
    const [one, two] = await Promise.all([
      claim(...ids.map((id) => entry(id, WINDOW_MS))),
      claim(...[...ids].reverse().map((id) => entry(id, WINDOW_MS))),
    ]);
    expect(one.filter(Boolean).length + two.filter(Boolean).length).toBe(ids.length);
  });
});
