import { TurnTime } from '@hearth/timing';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FrameTurns, type TurnTaker } from './frame-turns';
import type { WaitingFrame } from './frame-queue';

const frame = (n: number): WaitingFrame => ({
  ...{ text: String(n), request: undefined, answerId: undefined, characters: 1, sinceMs: 0 },
});

let time: TurnTime;
beforeEach(() => (time = new TurnTime(Infinity)));

/** A connection, and what was processed of it. */
class Sender implements TurnTaker {
  readonly hasEnded = false;
  readonly pauseMs = 0;
  restMs = 0;
  readonly done: number[] = [];
  readonly turns = new FrameTurns(this, time);
  readonly socket = { pauseReading: jest.fn(), resumeReading: jest.fn() } as never;
  readonly close = jest.fn();
  readonly idle = jest.fn();
  readonly resumed = jest.fn();

  constructor() {
    this.turns.next();
  }

  perform({ text }: WaitingFrame): undefined {
    this.done.push(Number(text));
  }

  send(count: number): void {
    for (let n = 0; n < count; n++) this.turns.take(frame(n));
  }
}

it('lets others have their turn when one sends much at once, and keeps its order', async () => {
  const [busy, quiet] = [new Sender(), new Sender()];
  busy.send(500);
  quiet.send(1);
  expect(busy.done.length).toBeLessThan(50);
  expect(quiet.done).toEqual([0]);
  while (busy.turns.isWaiting) await nextTurn();
  expect(busy.done).toEqual(Array.from({ length: 500 }, (_, n) => n));
});

it('lets nothing wait of who sends little in each turn', async () => {
  const sender = new Sender();
  for (let turn = 0; turn < 10; turn++) {
    sender.send(10);
    expect(sender.turns.isBusy).toBe(false);
    await nextTurn();
  }
});

it('lets those who keep the process busy take turns, one frame each, and others in between', async () => {
  time = new TurnTime(0);
  const senders = [new Sender(), new Sender(), new Sender()];
  for (const sender of senders) sender.send(5);
  expect(senders.map(({ done }) => done.length)).toEqual([0, 0, 0]);
  for (let turn = 1; turn <= 15; turn++) {
    await nextTurn();
    expect(senders.map(({ done }) => done.length)).toEqual([2, 1, 0].map((n) => Math.floor((turn + n) / 3)));
  }
  expect(senders.map(({ done }) => done)).toEqual(senders.map(() => [0, 1, 2, 3, 4]));
});

it('does nothing more for who has kept the process busy, until it has rested', () => {
  jest.useFakeTimers();
  time = new TurnTime(Infinity);
  try {
    const sender = new Sender();
    sender.restMs = 300;
    sender.send(3);
    jest.advanceTimersByTime(299);
    expect(sender.done).toEqual([0]);
    sender.restMs = 0;
    jest.advanceTimersByTime(301);
    expect(sender.done).toEqual([0, 1, 2]);
  } finally {
    jest.useRealTimers();
  }
});
