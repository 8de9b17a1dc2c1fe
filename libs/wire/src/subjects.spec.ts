import fc from 'fast-check';
import { channelNameProblem } from '@hearth/protocol';
import { decodeToken, encodeToken, eventSubject, partitionOf } from './subjects';

describe('subject tokens (pubsub-events §4.2)', () => {
  it.each([
    ['my-channel', 'my-channel'],
    ['presence.chat', 'presence%2Echat'],
    ['a.b>c', 'a%2Eb%3Ec'],
    ['>', '%3E'],
    ['~', '%7E'],
    ['%2E', '%252E'],
    ['日本', '%E6%97%A5%E6%9C%AC'],
    ['__proto__', '__proto__'],
  ])('writes %s as %s', (channel, token) => {
    expect(encodeToken(channel)).toBe(token);
    expect(decodeToken(token)).toBe(channel);
  });

  it('reads back every channel name, and an event subject always has six tokens', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 256 }), (channel) => {
        fc.pre(channelNameProblem(channel) === undefined);
        expect(decodeToken(encodeToken(channel))).toBe(channel);
        expect(eventSubject('hearth.events.v1', 'message', 'messagePublished', channel).split('.')).toHaveLength(6);
      }),
    );
  });

  it.each(['%2e', '%41', 'a.b', '%', '~'])('refuses %s, which it never writes', (token) => {
    expect(() => decodeToken(token)).toThrow();
  });
});

describe('partitionOf', () => {
  // A changed hash would move channels between partitions of installations that exist.
  it.each([
    ['my-channel', 8],
    ['presence.chat', 10],
    ['日本', 15],
    ['', 11],
  ])('gives %j a stable partition', (channel, partition) => {
    expect(partitionOf(channel, 16)).toBe(partition);
  });

  it('spreads names evenly', () => {
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) counts[partitionOf(`user.${i}`, 16)]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });

  it('hashes text with and without characters outside ASCII by its UTF-8 bytes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0x10ffff).map((code) => String.fromCodePoint(code)), maxLength: 20 }),
        (channel) => {
          const partition = partitionOf(channel, 16);
          expect(partition).toBeGreaterThanOrEqual(0);
          expect(partition).toBeLessThan(16);
        },
      ),
    );
  });
});
