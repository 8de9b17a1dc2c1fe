import { setImmediate as turn } from 'node:timers/promises';
import { TurnTime } from './turn-time';

afterEach(() => jest.restoreAllMocks());

it('is over when it is used up, until the next turn of the event loop', async () => {
  let nowMs = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const time = new TurnTime(10);
  expect(time.isOver()).toBe(false);
  nowMs = 9;
  expect(time.isOver()).toBe(false);
  nowMs = 10;
  expect(time.isOver()).toBe(true);
  await turn();
  expect(time.isOver()).toBe(false);
});

it('lets who waits do one thing each, in their order, for as long as there is time', async () => {
  let nowMs = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const time = new TurnTime(10);
  const done: string[] = [];
  const act = (name: string, times: number): void =>
    time.wait(() => {
      done.push(name);
      nowMs += 4;
      if (times > 1) act(name, times - 1);
    });
  act('a', 3);
  act('b', 1);
  act('c', 2);
  expect([done, time.isAwaited]).toEqual([[], true]);
  await turn();
  expect([done, time.isAwaited]).toEqual([['a', 'b', 'c'], true]);
  await turn();
  expect([done, time.isAwaited]).toEqual([['a', 'b', 'c', 'a', 'c', 'a'], false]);
});
