import * as crypto from 'node:crypto';

/** The module as a Node of this kind loads it. */
function loadedWith(hash: typeof crypto.hash | undefined): typeof import('./sha256') {
  jest.resetModules();
  jest.doMock('node:crypto', () => ({ ...crypto, hash }));
  return jest.requireActual<typeof import('./sha256')>('./sha256');
}

afterAll(() => jest.dontMock('node:crypto'));

it.each([
  ['has one-shot hashes', crypto.hash],
  ['is too old for them', undefined],
])('SHA-256 is the same on a Node that %s', (_which, hash) => {
  const { sha256, sha256Hex } = loadedWith(hash);
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256Hex('abc')).toBe(expected);
  expect(sha256Hex(Buffer.from('abc'))).toBe(expected);
  expect(Buffer.from(sha256('abc', 'binary'), 'binary').toString('hex')).toBe(expected);
});
