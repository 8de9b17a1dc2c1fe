import { FrameQueue, type WaitingFrame } from './frame-queue';

const frame = (text: string | undefined): WaitingFrame => ({
  ...{ text, request: undefined, answerId: undefined, characters: text?.length ?? 0, sinceMs: 0 },
});

it.each([
  ['of a few characters', '{}', 33_000],
  ['that are no text', undefined, 33_000],
  // Beside the first one, which is as long as it may be.
  ['of 64 KiB', 'x'.repeat(65_536), 65],
])('frames %s are too many when what they take in memory is', (_, text, most) => {
  const queue = new FrameQueue();
  let count = 0;
  while (!queue.isTooLong && count <= most) {
    queue.push(frame(text));
    count++;
  }
  expect(count).toBeLessThanOrEqual(most);
  expect(count).toBeGreaterThan(most * 0.9);
  queue.shift();
  expect(queue.isTooLong).toBe(false);
});

it('gives frames in their order, however many come and go, and counts what waits', () => {
  const queue = new FrameQueue();
  let [pushed, shifted] = [0, 0];
  for (let round = 0; round < 200; round++) {
    for (let n = 0; n < (round * 7) % 13; n++) queue.push(frame(String(pushed++)));
    for (let n = 0; n < (round * 5) % 11; n++) {
      const next = queue.shift();
      expect(next?.text).toBe(shifted < pushed ? String(shifted++) : undefined);
      expect(queue.isEmpty).toBe(shifted === pushed);
      expect(queue.isLong).toBe(pushed - shifted >= 64);
    }
  }
  expect(shifted).toBeGreaterThan(900);
});
