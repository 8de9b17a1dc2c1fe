import { parseSigningKey, type TokenErrorReason, type TokenSettings, type TokenUse } from '@hearth/claims';
import { NOW, NOW_MS, SECRET, SETTINGS, signHs256 } from '../../../libs/claims/src/testing/signed-tokens';
import { checkToken } from './check-token';

const CLAIMS = { exp: NOW + 60, scope: 'connect', uid: 'u1' };
const otherSecret = Buffer.from('another secret of thirty-two byt');

interface Case {
  readonly token: string;
  readonly settings?: Partial<TokenSettings>;
  readonly use?: TokenUse;
  readonly reason: TokenErrorReason;
  readonly detail?: string;
}

/** A token with these claims over those of a valid one. */
const token = (claims: object = {}, header?: object, secret?: Buffer) =>
  signHs256({ ...CLAIMS, ...claims }, header, secret);

const slot = (id: string) => parseSigningKey({ slot: 1, method: 'HS256', id, encoded: SECRET.toString('base64') });

describe('a token that would be refused', () => {
  it.each<[string, Case]>([
    ['is not a token', { token: 'nonsense', reason: 'malformed' }],
    [
      'has another kid',
      {
        token: token({}, { kid: 'b' }),
        settings: { keys: [slot('a')] },
        reason: 'key_id',
        detail: 'kid is "b"; the signing key is 1 (HS256, id a)',
      },
    ],
    [
      'lacks the kid',
      {
        token: token(),
        settings: { keys: [slot('a')], requireKid: true },
        reason: 'key_id',
        detail: 'kid is missing; the signing key is 1 (HS256, id a)',
      },
    ],
    [
      'has another algorithm',
      {
        token: token({}, { alg: 'RS256' }),
        reason: 'algorithm',
        detail: 'alg is "RS256"; the signing key is 1 (HS256)',
      },
    ],
    [
      'has another key',
      {
        token: token({}, {}, otherSecret),
        reason: 'signature',
        detail: 'it was signed with another key, or changed afterwards; the signing key is 1 (HS256)',
      },
    ],
    [
      'was signed with the Base64 text of the secret',
      {
        token: token({}, {}, Buffer.from(SECRET.toString('base64'))),
        reason: 'signature',
        detail: 'it was signed with the Base64 text of the key; sign with the bytes that the text stands for',
      },
    ],
    [
      'has expired',
      {
        token: token({ exp: NOW - 3_700 }),
        reason: 'expired',
        detail: 'it expired 1 hour 1 minute ago, at 2025-12-31T22:58:20Z',
      },
    ],
    [
      'is not valid yet',
      {
        token: token({ nbf: NOW + 30 }),
        reason: 'not_yet_valid',
        detail: 'it will be valid in 30 seconds, from 2026-01-01T00:00:30Z',
      },
    ],
    [
      'is for somebody else',
      {
        token: token({ aud: ['x', 'y'] }),
        settings: { audience: 'h' },
        reason: 'audience',
        detail: 'aud is ["x","y"]; the installation requires "h"',
      },
    ],
    [
      'is from somebody else',
      {
        token: token(),
        settings: { issuer: 'i' },
        reason: 'issuer',
        detail: 'iss is missing; the installation requires "i"',
      },
    ],
    ['has a wrong claim', { token: token({ uid: 3 }), reason: 'claims' }],
    ['is for another use', { token: token(), use: 'subscribe', reason: 'scope', detail: 'scope is "connect"' }],
    ['is for no use', { token: token({ scope: 'x' }), reason: 'scope', detail: 'scope is "x"' }],
    ['names a connection and is for connecting', { token: token({ connectionId: 'c' }), reason: 'binding' }],
    ['names nobody and is for subscribing', { token: token({ scope: 'subscribe', uid: '' }), reason: 'binding' }],
  ])('because it %s', async (_, { token, settings, use, reason, detail }) => {
    expect(await checkToken(token, use, { ...SETTINGS, ...settings }, NOW_MS)).toEqual({
      valid: false,
      error: expect.objectContaining({ reason }),
      detail,
    });
  });

  it('is said to have no known scope, not only no connect scope', async () => {
    expect(await checkToken(token({ scope: 'x' }), undefined, SETTINGS, NOW_MS)).toMatchObject({
      error: { message: 'scope must include connect, subscribe or umd' },
    });
  });
});

describe('a token that would be accepted', () => {
  it.each<[string, object, TokenUse | undefined, TokenUse]>([
    ['for connecting', {}, undefined, 'connect'],
    ['for subscribing', { scope: 'subscribe' }, undefined, 'subscribe'],
    ['for changing metadata', { scope: 'umd' }, undefined, 'umd'],
    [
      'for subscribing, on the connection it names',
      { scope: 'subscribe', uid: '', connectionId: 'c' },
      undefined,
      'subscribe',
    ],
    ['for what is asked', { scope: 'umd subscribe connect' }, 'umd', 'umd'],
    [
      'for the use that its connection leaves',
      { scope: 'connect subscribe', connectionId: 'c' },
      undefined,
      'subscribe',
    ],
  ])('is accepted %s', async (_, claims, use, expected) => {
    expect(await checkToken(token(claims), use, SETTINGS, NOW_MS)).toMatchObject({ valid: true, use: expected });
  });
});
