import * as fc from 'fast-check';
import { comparePositions } from './deliver-record';
import { decodeBundle, encodeBundle, eventSequence, lastEventSequence, MAX_BUNDLED_EVENTS } from './ingest-bundle';

/** Begins like every event: with the `{` of its first line. */
const event = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.concat([Buffer.from('{'), bytes]));

describe('a bundle of events', () => {
  it('gives back its events, byte for byte and in their order', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: MAX_BUNDLED_EVENTS }), (events) => {
        expect(decodeBundle(encodeBundle(events))).toEqual(events);
      }),
    );
  });

  it('of one is the event as it stands', () => {
    expect(encodeBundle([Buffer.from('{}\n1')]).toString()).toBe('{}\n1');
  });

  it.each([
    ['no end of its first line', '[1,2'],
    ['sizes that are too small', '[1]\nab'],
    ['sizes that are too large', '[3]\nab'],
    ['no event', '[]\n'],
    ['an empty event', '[0,1]\na'],
    ['a negative size', '[-1,3]\nab'],
    ['a size that is no number', '["2"]\nab'],
    ['broken sizes', '[2,]\nab'],
    ['too many events', `[${Array.from({ length: MAX_BUNDLED_EVENTS + 1 }, () => 1).join()}]\n${'a'.repeat(65)}`],
  ])('with %s is refused', (_what, text) => {
    expect(() => decodeBundle(Buffer.from(text))).toThrow();
  });
});

it('places rise with the sequence of the stream, then with the place in the bundle', () => {
  const places = [1, 2, 3].flatMap((sequence) => [0, 1, MAX_BUNDLED_EVENTS - 1].map((i) => eventSequence(sequence, i)));
  const at = (sequence: number) => ({ epoch: 0, sequence });
  expect([...places].sort((a, b) => comparePositions(at(a), at(b)))).toEqual(places);
  expect(new Set(places).size).toBe(places.length);
  expect(lastEventSequence(2)).toBeGreaterThanOrEqual(eventSequence(2, MAX_BUNDLED_EVENTS - 1));
  expect(lastEventSequence(2)).toBeLessThan(eventSequence(3, 0));
});
