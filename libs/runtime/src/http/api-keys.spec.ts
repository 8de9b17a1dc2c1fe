import { ApiKeys, bearerToken } from './api-keys';
import type { ReloadableValues } from '@hearth/config';

function keysOf(...apiKeys: string[]) {
  const reloadable = { current: { apiKeys } as unknown as ReloadableValues };
  return { reloadable, keys: new ApiKeys(reloadable) };
}

describe('API keys', () => {
  it('accept each configured key and nothing else', () => {
    const { keys } = keysOf('first', 'second', 'third');
    for (const key of ['first', 'second', 'third']) expect(keys.accepts(key)).toBe(true);
    for (const key of ['', 'First', 'first ', 'firs', 'fourth', 'first,second']) expect(keys.accepts(key)).toBe(false);
  });

  it('have numbers, in the order in which they are configured', () => {
    const { keys } = keysOf('first', 'sécond');
    const utf8 = Buffer.from('sécond', 'utf8').toString('latin1');
    expect(['first', utf8, 'third', ''].map((key) => keys.numberOf(key))).toEqual([1, 2, 0, 0]);
  });

  it('accept nothing when none is configured', () => {
    expect(keysOf().keys.accepts('')).toBe(false);
  });

  it('are known by the bytes of a header, which Node reads as ISO 8859-1: those of ISO 8859-1 and those of UTF-8', () => {
    const { keys } = keysOf('voilà', 'ключ');
    const accepted = (key: string, encoding: BufferEncoding) =>
      keys.accepts(Buffer.from(key, encoding).toString('latin1'));
    expect([accepted('voilà', 'utf8'), accepted('voilà', 'latin1'), accepted('ключ', 'utf8')]).toEqual(
      Array(3).fill(true),
    );
    expect([accepted('voila', 'utf8'), accepted('ключ', 'latin1'), accepted('клюя', 'utf8')]).toEqual(
      Array(3).fill(false),
    );
  });

  it('follow a reload', () => {
    const { reloadable, keys } = keysOf('old', 'kept');
    expect(keys.accepts('old')).toBe(true);
    reloadable.current = { apiKeys: ['new', 'kept'] } as unknown as ReloadableValues;
    expect([keys.accepts('old'), keys.accepts('new'), keys.accepts('kept')]).toEqual([false, true, true]);
  });
});

describe('the credential of a request', () => {
  it.each([
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bearer abc' }, 'abc'],
    [{ authorization: 'BEARER  abc ' }, 'abc'],
    [{ authorization: 'Bearer with blank inside' }, 'with blank inside'],
    [{ authorization: 'Bearer \t abc \t ' }, 'abc'],
    // The last byte of the UTF-8 of "à" is a no-break space in ISO 8859-1.
    [{ authorization: 'Bearer voil\u00c3\u00a0 ' }, 'voil\u00c3\u00a0'],
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
