import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VECTOR_NUMBERS, vectorNumbers } from './vectors';

/** Where the other vectors of tokens-and-claims §7 are tested on the wire: with what they are about. */
const FILES = {
  G: 'storage/entries.spec.ts',
  R: 'reactions/reactions.spec.ts',
  U: 'presence/umd.spec.ts',
  I: 'presence/info.spec.ts',
};

it.each(Object.entries(FILES))('vectors %s are all in %s', (letter, file) => {
  const text = readFileSync(join(__dirname, '..', file), 'utf8');
  const numbers = vectorNumbers(letter);
  expect(numbers.length).toBeGreaterThan(0);
  expect(numbers.filter((number) => !new RegExp(`'[^'\\n]*\\b${number}\\b`).test(text))).toEqual([]);
});

it('no table of vectors is forgotten', () => {
  const letters = new Set(VECTOR_NUMBERS.map((number) => number.charAt(0)));
  const here = ['V', 'S', 'P', 'H'];
  expect([...letters].sort()).toEqual([...here, ...Object.keys(FILES)].sort());
});
