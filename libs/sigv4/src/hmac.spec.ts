import * as fc from 'fast-check';
import { createHmac } from 'node:crypto';
import { hmacSha256 } from './hmac';

describe('an HMAC', () => {
  it("is Node's, whatever key and texts, short ones after long ones", () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 700 }),
      fc.constantFrom('', 'a'.repeat(512), 'a'.repeat(513), 'é'.repeat(256), 'é'.repeat(257), '\ud800'),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(text, { maxLength: 4 }), (key, texts) => {
        const hmac = hmacSha256(key);
        const expected = texts.map((it) => createHmac('sha256', key).update(it).digest('hex'));
        expect(texts.map(hmac)).toEqual(expected);
      }),
    );
  });

  it('has no key of more than a block', () => {
    expect(() => hmacSha256(new Uint8Array(65))).toThrow(RangeError);
  });
});
