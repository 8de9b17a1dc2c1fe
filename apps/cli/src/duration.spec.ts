import { duration, instant, parseDuration } from './duration';

describe('a time', () => {
  it.each([
    ['0', 0],
    ['90', 90],
    ['90s', 90],
    ['15m', 900],
    ['2h', 7_200],
    ['7d', 604_800],
  ])('%s is so many seconds', (text, seconds) => {
    expect(parseDuration(text, '--ttl')).toBe(seconds);
  });

  it.each(['', '2 h', '-1', '1.5h', '2w', 'h', '9999999999'])('is not %j', (text) => {
    expect(() => parseDuration(text, '--ttl')).toThrow('--ttl must be a time such as');
  });

  it.each([
    [0, '0 seconds'],
    [0.9, '0 seconds'],
    [1, '1 second'],
    [61, '1 minute 1 second'],
    [7_199.5, '1 hour 59 minutes'],
    [86_400, '1 day'],
    [90_061, '1 day 1 hour'],
  ])('of %d seconds reads well', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it.each([
    [1_767_225_600, '2026-01-01T00:00:00Z'],
    [1_767_225_600.25, '2026-01-01T00:00:00.250Z'],
    [1e20, '100000000000000000000'],
  ])('at %d is a date', (seconds, text) => {
    expect(instant(seconds)).toBe(text);
  });
});
