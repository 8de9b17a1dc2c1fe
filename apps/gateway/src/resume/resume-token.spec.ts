import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { encodeConnectionId } from '@hearth/wire';
import { ResumeGrant, signResumeToken, verifyResumeToken } from './resume-token';

const key = randomBytes(32);
const NOW = 1_750_000_000_000;
const binding = { channel: 'room', uid: 'u1' };
const sequence = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const instant = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const connectionId = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 24 - 1 }), fc.uint8Array({ minLength: 8, maxLength: 8 }))
  .map(([gateway, random]) => encodeConnectionId(gateway, random));
const grants: fc.Arbitrary<ResumeGrant> = fc.record({
  from: fc.record({
    position: fc.option(fc.record({ epoch: fc.integer({ min: 0, max: 2 ** 40 }), sequence }), { nil: undefined }),
    id: fc.option(fc.constantFrom('01JA3S0TNEC2QBYMZRBMCEXGNW', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'), { nil: undefined }),
    streamCreatedMs: instant,
    streamSequence: sequence,
    atMs: instant,
  }),
  issuedAtMs: instant,
  expiresAtMs: fc.integer({ min: NOW + 1, max: 2 ** 48 - 1 }),
  connectionIds: fc.array(connectionId, { maxLength: 4 }),
});
const grant: ResumeGrant = {
  from: {
    position: { epoch: 2, sequence: 70_000 },
    id: undefined,
    streamCreatedMs: NOW - 5,
    streamSequence: 12,
    atMs: NOW - 10,
  },
  issuedAtMs: NOW - 10,
  expiresAtMs: NOW + 1_000,
  connectionIds: ['AAABAQIDBAUGBwg='],
};

describe('a resume token (resume §2)', () => {
  it('says again what it was made of, in at most 256 characters', () => {
    fc.assert(
      fc.property(grants, fc.string(), fc.option(fc.string()), (any, channel, uid) => {
        const token = signResumeToken(any, { channel, uid }, key);
        expect(token).toMatch(/^[A-Za-z0-9._-]{1,256}$/);
        expect(verifyResumeToken(token, { channel, uid }, [key], NOW)).toEqual(any);
      }),
    );
  });

  it('names the newest four connections of a longer chain', () => {
    const connectionIds = Array.from({ length: 6 }, (_, n) => encodeConnectionId(n, new Uint8Array(8)));
    const token = signResumeToken({ ...grant, connectionIds }, binding, key);
    expect(verifyResumeToken(token, binding, [key], NOW)?.connectionIds).toEqual(connectionIds.slice(0, 4));
  });

  it.each([
    ['another channel', { channel: 'room2', uid: 'u1' }],
    ['another uid', { channel: 'room', uid: 'u2' }],
    ['nobody', { channel: 'room', uid: null }],
    ['a binding with the same letters', { channel: 'roomu', uid: '1' }],
  ])('is unusable for %s', (_, other) => {
    expect(verifyResumeToken(signResumeToken(grant, binding, key), other, [key], NOW)).toBeUndefined();
  });

  it('does not take the uid "null" for none', () => {
    const token = signResumeToken(grant, { channel: 'room', uid: null }, key);
    expect(verifyResumeToken(token, { channel: 'room', uid: 'null' }, [key], NOW)).toBeUndefined();
  });

  it('is unusable once it has expired, and with keys that did not sign it', () => {
    const token = signResumeToken(grant, binding, key);
    expect(verifyResumeToken(token, binding, [key], grant.expiresAtMs - 1)).toEqual(grant);
    expect(verifyResumeToken(token, binding, [key], grant.expiresAtMs)).toBeUndefined();
    expect(verifyResumeToken(token, binding, [randomBytes(32)], NOW)).toBeUndefined();
    expect(verifyResumeToken(token, binding, [randomBytes(32), key], NOW)).toEqual(grant);
  });

  it('is unusable with any one character changed, missing or added', () => {
    const token = signResumeToken(grant, binding, key);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      const spoiled = [token.slice(0, at) + other + token.slice(at + 1), token.slice(0, at) + token.slice(at + 1)];
      for (const text of [...spoiled, token.slice(0, at) + other + token.slice(at)]) {
        expect([text, verifyResumeToken(text, binding, [key], NOW)]).toEqual([text, undefined]);
      }
    }
  });

  it.each(['', 'r1', 'r1.', 'r1..', 'r2.AAAA.AAAA', 'r1.AAAA.AAAA', 'x'.repeat(100_000), 'é', '\0'])(
    'that is no token at all is unusable, never an error: %#',
    (text) => {
      expect(verifyResumeToken(text, binding, [key], NOW)).toBeUndefined();
    },
  );
});
