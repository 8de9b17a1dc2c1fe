import { ApiKeys, bearerToken } from './api-keys';
import type { LiveValues } from './live-settings';

function keysOf(...apiKeys: string[]) {
  const live = { current: { apiKeys } as unknown as LiveValues };
  return { live, keys: new ApiKeys(live) };
}

describe('API keys', () => {
  it('accept each configured key and nothing else', () => {
    const { keys } = keysOf('first', 'second', 'third');
    for (const key of ['first', 'second', 'third']) expect(keys.accepts(key)).toBe(true);
    for (const key of ['', 'First', 'first ', 'firs', 'fourth', 'first,second']) expect(keys.accepts(key)).toBe(false);
  });

  it('accept nothing when none is configured', () => {
    expect(keysOf().keys.accepts('')).toBe(false);
  });

  it('follow a reload', () => {
    const { live, keys } = keysOf('old', 'kept');
    expect(keys.accepts('old')).toBe(true);
    live.current = { apiKeys: ['new', 'kept'] } as unknown as LiveValues;
    expect([keys.accepts('old'), keys.accepts('new'), keys.accepts('kept')]).toEqual([false, true, true]);
  });
});

describe('the credential of a request', () => {
  it.each([
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bearer abc' }, 'abc'],
    [{ authorization: 'BEARER  abc ' }, 'abc'],
    [{ authorization: 'Bearer with blank inside' }, 'with blank inside'],
    [{ authentication: 'Bearer abc' }, 'abc'],
    [{ authorization: 'Basic xyz', authentication: 'Bearer abc' }, undefined],
    [{ authorization: '', authentication: 'Bearer abc' }, undefined],
    [{ authorization: 'abc' }, undefined],
    [{ authorization: 'Bearer' }, undefined],
    [{ authorization: 'Bearer ' }, undefined],
    [{ authorization: 'Bearerabc' }, undefined],
    [{}, undefined],
  ])('in %j is %j', (headers, credential) => {
    expect(bearerToken(headers)).toBe(credential);
  });
});
