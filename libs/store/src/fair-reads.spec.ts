import { setImmediate as turn } from 'node:timers/promises';
import { TimeoutError } from '@hearth/timing';
import { FairReads } from './fair-reads';

/** Reads that end when they are told to. */
class Reader {
  readonly begun: string[] = [];
  private readonly ends: (() => void)[] = [];
  private readonly reads = new FairReads(2);

  ask(client: string, patienceMs = 10_000): Promise<void> {
    return this.reads.take(client, patienceMs, () => {
      this.begun.push(client);
      return new Promise((resolve) => this.ends.push(resolve));
    });
  }

  /** Ends the oldest read. */
  async end(): Promise<void> {
    this.ends.shift()?.();
    await turn();
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
