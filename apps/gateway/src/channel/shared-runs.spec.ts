import { SharedRuns } from './shared-runs';

describe('shared runs', () => {
  /** Runs that end when told to. */
  function runs() {
    const begun: { end(value: number): void; fail(): void }[] = [];
    const shared = new SharedRuns<number>();
    const ask = (key = 'k') =>
      shared.run(key, () => new Promise((end, reject) => begun.push({ end, fail: () => reject(new Error('failed')) })));
    return { begun, ask };
  }

  it('all who ask while one is under way get the next one, never the one that began before', async () => {
    const { begun, ask } = runs();
    const first = ask();
    const [second, third] = [ask(), ask()];
    expect(begun).toHaveLength(1);
    begun[0]?.end(1);
    expect(await first).toBe(1);
    await Promise.resolve();
    expect(begun).toHaveLength(2);
    const fourth = ask();
    begun[1]?.end(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
    await Promise.resolve();
    begun[2]?.end(3);
    expect(await fourth).toBe(3);
    expect(begun).toHaveLength(3);
  });

  it('a failed one is the failure of those who wait for it, and of nobody else', async () => {
    const { begun, ask } = runs();
    const [first, second] = [ask(), ask()];
    begun[0]?.fail();
    await expect(first).rejects.toThrow('failed');
    await Promise.resolve();
    begun[1]?.end(2);
    expect(await second).toBe(2);
  });

  it('what is asked for by another name does not wait', () => {
    const { begun, ask } = runs();
    void ask('a');
    void ask('b');
    expect(begun).toHaveLength(2);
  });

  it('begins at once when nothing is under way any more', async () => {
    const { begun, ask } = runs();
    const first = ask();
    begun[0]?.end(1);
    await first;
    await Promise.resolve();
    void ask();
    expect(begun).toHaveLength(2);
  });
});
