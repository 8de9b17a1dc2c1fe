import { setImmediate as turn } from 'node:timers/promises';
import { TimeoutError } from '@hearth/timing';
import { ReadTurns, UnwantedError } from './read-turns';

/** Reads that end when they are told to. */
class Reader {
  readonly begun: string[] = [];
  private readonly ends: (() => void)[] = [];
  private readonly reads = new ReadTurns(2);

  ask(client: string, patienceMs = 10_000, isWanted?: () => boolean): Promise<void> {
    const read = (): Promise<void> => {
      this.begun.push(client);
      return new Promise((resolve) => this.ends.push(resolve));
    };
    return this.reads.take(client, read, { patienceMs, isWanted });
  }

  /** Ends the oldest read. */
  async end(): Promise<void> {
    this.endOne();
    await turn();
  }

  endOne(): void {
    this.ends.shift()?.();
  }

  get areMoving(): boolean {
    return this.reads.areMoving;
  }
}

it('so many read at once, and then who has read least is next', async () => {
  const reader = new Reader();
  const all = ['greedy', 'greedy', 'greedy', 'greedy', 'greedy', 'modest'].map((client) => reader.ask(client));
  expect(reader.begun).toEqual(['greedy', 'greedy']);
  for (let n = 0; n < all.length; n++) await reader.end();
  await Promise.all(all);
  expect(reader.begun).toHaveLength(6);
  expect(reader.begun.indexOf('modest')).toBeLessThanOrEqual(3);
});

it('whoever does not wait any longer has not read, and takes nobody’s place', async () => {
  const reader = new Reader();
  const first = [reader.ask('one'), reader.ask('one')];
  await expect(reader.ask('hasty', 1)).rejects.toThrow(TimeoutError);
  const last = reader.ask('last');
  await reader.end();
  await reader.end();
  await reader.end();
  await Promise.all([...first, last]);
  expect(reader.begun).toEqual(['one', 'one', 'last']);
  void reader.ask('again');
  void reader.ask('again');
  expect(reader.begun).toHaveLength(5);
});

it('what nobody wants any more when its turn comes is not read, and is no turn', async () => {
  const reader = new Reader();
  const first = [reader.ask('one'), reader.ask('one')];
  let isThere = true;
  const leave = async (): Promise<void> =>
    expect(reader.ask('same', 10_000, () => isThere)).rejects.toThrow(UnwantedError);
  const left = [leave(), leave()];
  const others = [reader.ask('same'), reader.ask('other')];
  isThere = false;
  left.push(leave());
  for (let n = 0; n < 4; n++) await reader.end();
  await Promise.all([...first, ...left, ...others]);
  expect(reader.begun).toEqual(['one', 'one', 'other', 'same']);
});

it('whoever waits does so for as long as turns end, and no longer', async () => {
  jest.useFakeTimers();
  try {
    const reader = new Reader();
    const all = [1, 2, 3, 4].map(() => reader.ask('one', Infinity).catch((error: unknown) => error));
    await jest.advanceTimersByTimeAsync(14_000);
    expect(reader.areMoving).toBe(false);
    reader.endOne();
    await jest.advanceTimersByTimeAsync(14_000);
    expect([reader.begun.length, reader.areMoving]).toEqual([3, true]);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(await all[3]).toBeInstanceOf(TimeoutError);
    expect([reader.begun.length, reader.areMoving]).toEqual([3, false]);
  } finally {
    jest.useRealTimers();
  }
});
