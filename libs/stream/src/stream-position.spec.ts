import { millisecondBehind, processedUntilMs, type StreamExtent, type StreamPosition } from './stream-position';

describe('the time up to which a stream has been processed', () => {
  const position: StreamPosition = { epoch: 1, sequence: 5, timeNs: '1000999999', streamCreated: 'then' };
  const beginning: StreamPosition = { ...position, sequence: 0, timeNs: '' };
  const extent: StreamExtent = {
    created: 'then',
    first: 5,
    last: 5,
    lastTimeNs: '1000999999',
    fullness: 0,
    toldMs: 7_000,
  };
  const empty: StreamExtent = { ...extent, first: 1, last: 0, lastTimeNs: '-62135596800000000000' };

  it.each<[string, StreamPosition, Partial<StreamExtent>, number]>([
    ['is when its server said that there is nothing more', position, extent, 7_000],
    ['is when a server was asked that does not tell its time', position, { ...extent, toldMs: undefined }, 6_500],
    ['is that of the last message processed while there is more', position, { ...extent, last: 6 }, 1_000],
    ['is that of the last message when the stream lost its tail', position, { ...extent, last: 4 }, 1_000],
    ['is that of the last message when another one is at its place', position, { ...extent, lastTimeNs: '2' }, 1_000],
    ['is when its server said that there never was any', beginning, empty, 7_000],
    ['is unknown before the first message is processed', beginning, extent, 0],
    ['is never before the last message, whatever the time of the server is', position, { ...extent, toldMs: 3 }, 1_000],
  ])('%s', (_what, last, now, expected) => {
    expect(processedUntilMs(last, { ...extent, ...now }, 6_500)).toBe(expected);
  });
});

it.each([
  ['1796000000000000000', 1_796_000_000_001],
  ['1796000000000000050', 1_796_000_000_001],
  ['1796000000000999999', 1_796_000_000_001],
  ['1796000000001000000', 1_796_000_000_002],
])('the first millisecond behind %s ns is %d', (timeNs, expected) => {
  expect(millisecondBehind(timeNs)).toBe(expected);
});
