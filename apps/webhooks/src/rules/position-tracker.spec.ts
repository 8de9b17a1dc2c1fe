import { PositionTracker } from './position-tracker';

describe('the settled position', () => {
  it('moves only when everything before it is settled', () => {
    const tracker = new PositionTracker(10);
    const [a, b, c, d] = [11, 12, 13, 15].map((position) => tracker.take(position));
    const after = [b, d, a, c].map((place) => {
      tracker.settle(place!);
      return tracker.settled;
    });
    expect(after).toEqual([10, 10, 12, 15]);
    expect(tracker.size).toBe(0);
  });
});
