import fc from 'fast-check';
import { FairQueue, FairTurns } from './fair-queue';
import { FlowWindow } from './flow-window';

function drain<T>(queue: { shift(): T | undefined }): T[] {
  const all: T[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) all.push(item);
  return all;
}

describe('FairQueue', () => {
  it('gives turns in turn, and each key its own order', () => {
    const queue = new FairQueue<string>();
    for (const n of [1, 2, 3, 4]) queue.push('a', `a${n}`);
    for (const n of [1, 2]) queue.push('b', `b${n}`);
    const all = drain(queue);
    expect(all).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'a4']);
  });

  it('gives the next turn to who has waited longest of those that have had as much, however many come', () => {
    const queue = new FairQueue<number>();
    for (let n = 0; n < 100; n++) queue.push(`first ${n}`, n);
    const taken: unknown[] = [];
    for (let n = 100; n < 300; n++) {
      queue.push(`later ${n}`, n);
      taken.push(queue.shift());
    }
    expect([...taken, ...drain(queue)]).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });

  it('gives the next turn to who comes anew, and no more than that', () => {
    const queue = new FairQueue<string>();
    for (let n = 0; n < 100; n++) queue.push('flood', 'f');
    for (let n = 0; n < 50; n++) queue.shift();
    queue.push('quiet', 'q1');
    queue.push('quiet', 'q2');
    expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()].filter((it) => it !== 'f')).toEqual([
      'q1',
      'q2',
    ]);
    expect(queue.size).toBe(48);
  });

  it('does not let a flood begin anew by pausing', () => {
    const queue = new FairQueue<string>();
    for (let n = 0; n < 10; n++) queue.push('flood', 'f');
    queue.push('other', 'o');
    drain(queue);
    queue.push('flood', 'f');
    queue.push('other', 'o');
    expect(drain(queue)).toEqual(['o', 'f']);
  });

  it('does not go through all keys for each new one, when more of them wait than are remembered', () => {
    const queue = new FairQueue<number>();
    const looks = jest.spyOn(Map.prototype, Symbol.iterator);
    try {
      for (let n = 0; n < 10_500; n++) queue.push(String(n), n);
      expect(looks.mock.calls.length).toBeLessThan(100);
    } finally {
      looks.mockRestore();
    }
    expect(drain(queue)).toHaveLength(10_500);
  });

  it('loses nothing and keeps the order of each key', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.constantFrom('a', 'b', 'c'))), (steps) => {
        const queue = new FairQueue<string>();
        const pushed: string[] = [];
        const taken: string[] = [];
        steps.forEach((key, n) => {
          if (key === null) {
            const item = queue.shift();
            if (item !== undefined) taken.push(item);
            return;
          }
          queue.push(key, `${key}${n}`);
          pushed.push(`${key}${n}`);
        });
        taken.push(...drain(queue));
        for (const key of ['a', 'b', 'c']) {
          const of = (items: string[]) => items.filter((item) => item.startsWith(key));
          expect(of(taken)).toEqual(of(pushed));
        }
      }),
    );
  });

  it('forgets keys', () => {
    const queue = new FairQueue<number>();
    for (let n = 0; n < 30_000; n++) {
      queue.push(String(n), n);
      queue.shift();
    }
    expect((queue as unknown as { lines: Map<string, unknown> }).lines.size).toBeLessThanOrEqual(10_001);
  });
});

it('FairTurns go by source, then by channel', () => {
  const turns = new FairTurns<string>();
  for (const n of [1, 2, 3]) turns.push('a', 'x', `ax${n}`);
  turns.push('a', 'y', 'ay1');
  turns.push('b', 'x', 'bx1');
  expect(drain(turns)).toEqual(['ax1', 'bx1', 'ay1', 'ax2', 'ax3']);
  expect(turns.size).toBe(0);
});

it('FairTurns cost what an item weighs', () => {
  const turns = new FairTurns<string>((item) => Number(item.slice(1)));
  turns.push('batches', 'x', 'b3');
  turns.push('batches', 'x', 'b3');
  for (const n of ['a1', 'a1', 'a1', 'a1']) turns.push('singles', 'x', n);
  const all = drain(turns);
  expect(all.slice(all.indexOf('b3') + 1, -1).join()).toContain('a1,a1,a1');
});

describe('FlowWindow', () => {
  /** Sends as much as may be for so long; each is worked on after `delayMs`, one per `eachMs`. @returns most on its way */
  function run(delayMs: number, eachMs: number, forMs: number): { most: number; done: number } {
    const window = new FlowWindow();
    const way: { probe: number | undefined; doneAt: number }[] = [];
    let [done, most, freeAt] = [0, 0, 0];
    for (let nowMs = 0; nowMs < forMs; nowMs++) {
      while ((way[0]?.doneAt ?? Infinity) <= nowMs) {
        const { probe } = way.shift() as (typeof way)[number];
        done++;
        if (probe !== undefined) window.answered(probe, nowMs);
      }
      // A flooder: whatever there is room for, but no more than a machine can send.
      for (let n = 0; n < 100 && window.isOpen; n++) {
        freeAt = Math.max(nowMs, freeAt) + eachMs;
        way.push({ probe: window.send(true, nowMs), doneAt: freeAt + delayMs });
      }
      if (nowMs > forMs / 2) most = Math.max(most, way.length);
      if (nowMs % 250 === 0) window.look(nowMs);
    }
    return { most, done };
  }

  it('keeps little on its way, and those who work busy', () => {
    for (const [delayMs, eachMs] of [
      [5, 0.1],
      [5, 0.5],
      [3, 0.05],
    ] as const) {
      const { most, done } = run(delayMs, eachMs, 10_000);
      expect(done).toBeGreaterThan((0.85 * 10_000) / eachMs);
      expect(most * eachMs).toBeLessThan(80);
    }
  });

  it('lets little through before anybody has answered, and everything when nobody does', () => {
    const window = new FlowWindow();
    let sent = 0;
    const flood = (nowMs: number): void => {
      for (; window.isOpen && sent < 100_000; sent++) window.send(true, nowMs);
    };
    flood(0);
    expect(sent).toBe(256);
    window.look(900);
    flood(900);
    expect(sent).toBe(256);
    window.look(1_100);
    flood(1_100);
    expect(sent).toBe(100_000);
  });

  it('stays closed while answers come, however late they are', () => {
    const window = new FlowWindow();
    const probes: number[] = [];
    let passed = 0;
    for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
      for (; window.isOpen && passed < 100_000; passed++) {
        const probe = window.send(true, nowMs);
        if (probe !== undefined) probes.push(probe);
      }
      // Whoever works does so for a probe in half a second: the last one waits for ten.
      const probe = nowMs % 500 === 0 ? probes.shift() : undefined;
      if (probe !== undefined) window.answered(probe, nowMs);
      window.look(nowMs);
    }
    expect(passed).toBeLessThan(1_500);
  });

  it('opens when nobody answers any more, and closes when somebody does again', () => {
    const window = new FlowWindow();
    const probes: number[] = [];
    const send = (count: number, nowMs: number): void => {
      for (let n = 0; n < count; n++) {
        const probe = window.send(true, nowMs);
        if (probe !== undefined) probes.push(probe);
      }
    };
    send(16, 0);
    window.answered(probes[0] ?? 0, 1);
    send(300, 1);
    expect(window.isOpen).toBe(false);
    window.look(900);
    expect(window.isOpen).toBe(false);
    window.look(1_100);
    expect(window.isOpen).toBe(true);
    send(5_000, 1_100);
    expect(window.isOpen).toBe(true);
    window.answered(probes.at(-1) ?? 0, 1_110);
    send(300, 1_110);
    expect(window.isOpen).toBe(false);
  });
});
