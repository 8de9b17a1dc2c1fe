import { LeastRecent } from './least-recent';

it('gives the least of what was measured within two spans, and nothing when that is long ago', () => {
  const least = new LeastRecent(10);
  expect(least.value(0)).toBeUndefined();
  for (const [value, now] of [
    [5, 0],
    [3, 4],
    [7, 9],
  ] as const)
    least.add(value, now);
  expect(least.value(9)).toBe(3);
  least.add(6, 12);
  expect(least.value(13)).toBe(3);
  expect(least.value(23)).toBe(6);
  expect(least.value(100)).toBeUndefined();
  least.add(9, 101);
  expect(least.value(101)).toBe(9);
});
