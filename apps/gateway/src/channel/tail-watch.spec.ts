import { TailWatch } from './tail-watch';

const beacon = (fencingToken: number, n: number, isLast = false) => ({ fencingToken, n, isLast });

it('hears nothing amiss while beacons come in order, whenever the first came', () => {
  const watch = new TailWatch(0);
  expect(watch.hear(0, beacon(1, 41), 1_000)).toBe(false);
  expect(watch.hear(1, beacon(7, 1), 1_500)).toBe(false);
  expect(watch.hear(0, beacon(1, 42), 3_000)).toBe(false);
  // Its owner was paused, and sent nothing meanwhile.
  expect(watch.hear(0, beacon(1, 43), 60_000)).toBe(false);
});

it('notices a beacon that was lost, another owner, and a first one that comes late', () => {
  const watch = new TailWatch(0);
  watch.hear(0, beacon(1, 1), 1_000);
  expect(watch.hear(0, beacon(1, 3), 5_000)).toBe(true);
  expect(watch.hear(0, beacon(2, 1), 7_000)).toBe(true);
  expect(watch.hear(0, beacon(2, 2), 9_000)).toBe(false);
  expect(watch.hear(1, beacon(1, 4), 9_000)).toBe(true);
});

it('hears that an owner gives its partition to another', () => {
  const watch = new TailWatch(0);
  watch.hear(0, beacon(1, 1, true), 1_000);
  expect(watch.isHearing(60_000)).toBe(true);
  expect(watch.hear(0, beacon(2, 1), 60_000)).toBe(false);
  watch.hear(0, beacon(2, 2, true), 62_000);
  expect(watch.hear(0, beacon(3, 2), 64_000)).toBe(true);
});

it('begins anew after a reconnect', () => {
  const watch = new TailWatch(0);
  watch.hear(0, beacon(1, 1), 1_000);
  watch.reset(60_000);
  expect(watch.hear(0, beacon(1, 30), 61_000)).toBe(false);
});

it('knows when an owner has fallen silent', () => {
  const watch = new TailWatch(0);
  expect(watch.isHearing(60_000)).toBe(true);
  watch.hear(0, beacon(1, 1), 1_000);
  watch.hear(1, beacon(1, 1), 2_000);
  expect(watch.isHearing(5_400)).toBe(true);
  expect(watch.isHearing(5_600)).toBe(false);
});
