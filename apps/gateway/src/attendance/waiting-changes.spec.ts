import { WaitingChanges } from './waiting-changes';

const subscription = { connectionId: 'c', uid: null, umdJson: 'null' };

it('tells the last count of each channel, in the order in which they were set, when there are no events', () => {
  const waiting = new WaitingChanges();
  for (const [channel, count] of Object.entries({ a: 1, b: 1, c: 1 })) waiting.push({ channel, count });
  waiting.push({ channel: 'a', count: 2 });
  const { events, changes } = waiting.take(false);
  expect(events).toBe(false);
  expect(changes.map(({ channel, count, number }) => [channel, count, number])).toEqual([
    ['b', 1, 2],
    ['c', 1, 3],
    ['a', 2, 4],
  ]);
  expect(waiting.isEmpty).toBe(true);
});

it('tells every change when there are events, some at a time', () => {
  const waiting = new WaitingChanges();
  for (let count = 1; count <= 500; count++) waiting.push({ channel: 'a', count, subscription });
  const counts: unknown[] = [];
  while (!waiting.isEmpty) {
    const { events, changes } = waiting.take(false);
    expect(events).toBe(true);
    expect(changes.length).toBeLessThanOrEqual(200);
    counts.push(...changes.map(({ count }) => count));
  }
  expect(counts).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
});

it('keeps only counts when too much waits, and says whose events are lost', () => {
  const waiting = new WaitingChanges();
  let lost = 0;
  for (let n = 1; n <= 50_000; n++) lost += waiting.push({ channel: String(n % 10), count: n, subscription });
  const kept = [];
  while (!waiting.isEmpty) kept.push(...waiting.take(true).changes);
  expect(kept.length).toBeLessThanOrEqual(20_000);
  expect(lost + kept.filter((change) => change.subscription !== undefined).length).toBe(50_000);
  const last = new Map(kept.map(({ channel, count }) => [channel, count]));
  expect([...last]).toHaveLength(10);
  for (const [channel, count] of last) expect(count).toBe(50_000 - ((50_000 - Number(channel)) % 10));
});

it('does not go through all channels again and again, when there are more than may wait', () => {
  const waiting = new WaitingChanges();
  const push = (n: number) => waiting.push({ channel: String(n), count: 1 });
  for (let n = 0; n < 20_000; n++) push(n);
  const channels = 20_050;
  const coming = entriesSet(() => {
    for (let n = 20_000; n < channels; n++) push(n);
  });
  expect(coming).toBeLessThan(2 * channels);
  const leaving = entriesSet(() => {
    while (!waiting.isEmpty) waiting.take(false);
  });
  expect(leaving).toBeLessThan(2 * channels);
});

/** How many entries are set in maps meanwhile: one for each change that somebody looks at. */
function entriesSet(work: () => void): number {
  const own = Object.getOwnPropertyDescriptor(Map.prototype, 'set') as {
    value: (key: unknown, value: unknown) => Map<unknown, unknown>;
  };
  let count = 0;
  Map.prototype.set = function (this: Map<unknown, unknown>, key: unknown, value: unknown) {
    count++;
    return own.value.call(this, key, value);
  };
  try {
    work();
    return count;
  } finally {
    Object.defineProperty(Map.prototype, 'set', own);
  }
}
