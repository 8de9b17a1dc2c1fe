import { setImmediate as turn } from 'node:timers/promises';
import { every } from './every';

describe('a job that is done every so often', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
  afterEach(() => jest.useRealTimers());

  it('begins after one interval and ends with its stop', async () => {
    let runs = 0;
    const repeated = every(100, () => runs++);
    jest.advanceTimersByTime(99);
    expect(runs).toBe(0);
    for (const expected of [1, 2, 3]) {
      jest.advanceTimersByTime(expected === 1 ? 1 : 100);
      await turn();
      expect(runs).toBe(expected);
    }
    await repeated.stop();
    jest.advanceTimersByTime(1_000);
    expect(runs).toBe(3);
  });

  it('never runs twice at a time, and goes on after a run that took long', async () => {
    const ends: (() => void)[] = [];
    const repeated = every(100, () => new Promise<void>((resolve) => ends.push(resolve)));
    jest.advanceTimersByTime(1_000);
    await turn();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await turn();
    jest.advanceTimersByTime(100);
    await turn();
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await repeated.stop();
  });

  it('tells what a run failed with, and goes on', async () => {
    const failures: unknown[] = [];
    const failing = every(
      100,
      () => {
        throw new Error('at once');
      },
      (error) => failures.push(error),
    );
    const rejecting = every(
      100,
      () => Promise.reject(new Error('later')),
      (error) => failures.push(error),
    );
    for (let step = 0; step < 2; step++) {
      jest.advanceTimersByTime(100);
      await turn();
    }
    expect(failures.map((error) => (error as Error).message)).toEqual(['at once', 'later', 'at once', 'later']);
    await Promise.all([failing.stop(), rejecting.stop()]);
  });

  it('has ended when its stop resolves', async () => {
    let end = (): void => undefined;
    let isStopped = false;
    const repeated = every(100, () => new Promise<void>((resolve) => (end = resolve)));
    jest.advanceTimersByTime(100);
    await turn();
    const stopping = repeated.stop().then(() => (isStopped = true));
    await turn();
    expect(isStopped).toBe(false);
    end();
    await stopping;
  });
});
