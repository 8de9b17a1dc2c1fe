import { ClockOffset } from './clock-offset';

describe('the offset of another clock', () => {
  it('is not known before it was read', () => {
    expect(new ClockOffset().ms).toBeUndefined();
  });

  it('is that of the reading with the shortest round trip', () => {
    const offset = new ClockOffset();
    offset.add(0, 1_200, 400);
    expect(offset.ms).toBe(1_000);
    offset.add(10_000, 11_101, 10_002);
    expect(offset.ms).toBe(1_100);
    offset.add(20_000, 21_500, 21_000);
    expect(offset.ms).toBe(1_100);
  });

  it('follows a clock that drifts, and one that is set, whichever way, at once', () => {
    const offset = new ClockOffset();
    for (let n = 0; n < 20; n++) offset.add(n * 10_000, n * 10_001 + 500, n * 10_000);
    expect(offset.ms).toBeCloseTo(519, 0);
    offset.add(200_000, 200_000 + 31_536_000_000, 200_002);
    expect(offset.ms).toBeCloseTo(31_536_000_000, -1);
    offset.add(210_000, 90_000, 210_002);
    expect(offset.ms).toBeCloseTo(-120_000, -1);
  });

  it('does not take a slow answer for a clock that was set', () => {
    const offset = new ClockOffset();
    offset.add(0, 1_000, 0);
    offset.add(10_000, 11_000, 14_000);
    expect(offset.ms).toBe(1_000);
  });
});
