import { IdleCollection } from './idle-collection';

const MIB = 1_048_576;

/** What is done at each look: how large the process is, how busy it was, and how large it is when it was collected. */
function collections(
  looks: readonly (readonly [resident: number, utilization: number, left: number, heap?: number])[],
): boolean[] {
  let [resident, busy, left, heap, collected] = [0, 0, 0, 0, false];
  const collection = new IdleCollection({
    resident: () => (collected ? left : resident) * MIB,
    size: () => heap * MIB,
    utilization: () => busy,
    collect: () => (collected = true),
  });
  return looks.map((look) => {
    [resident, busy, left, heap = 80] = look;
    collected = false;
    collection.look();
    return collected;
  });
}

it('collects what a flood has left, twice, once it is over', () => {
  expect(
    collections([
      [80, 0.01, 80],
      [150, 0.9, 0],
      [150, 0.04, 149],
      [149, 0.06, 0],
      [149, 0.01, 90],
      [90, 0.01, 0],
      [139, 0.01, 100],
    ]),
  ).toEqual([false, false, true, false, true, false, true]);
});

it('leaves alone what is in use, what has grown by little, and a heap so large that all would wait for it', () => {
  expect(
    collections([
      [80, 0, 0],
      [128, 0, 0],
      [150, 0, 149],
      [150, 0, 149],
      [180, 0, 0],
      [300, 0, 0, 193],
      [300, 0, 290, 192],
    ]),
  ).toEqual([false, false, true, true, false, false, true]);
});
