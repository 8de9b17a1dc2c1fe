import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { RegexCache } from './regex-cache';
import { regexInstructions } from './regex-size';
import { wildcardMatcher } from './wildcard';

const ASTERISK_OR_LETTER = fc.constantFrom('*', 'a', 'b', '.', '😀');
const LETTERS = ['a', 'b', '.', '😀'];
/** Every name of at most five of these letters. */
const NAMES = [''];
for (const name of NAMES) if (name.length < 5) NAMES.push(...LETTERS.map((letter) => name + letter));

function text(character: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> {
  return fc.array(character, { maxLength }).map((characters) => characters.join(''));
}

/** The obvious translation, which is exponential and therefore only for tests. */
function naive(pattern: string): RegExp {
  const pieces = pattern.split('*').map((piece) => piece.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${pieces.join('.*')}$`, 'su');
}

describe('a wildcard pattern', () => {
  it.each([
    ['*', '', true],
    ['*', 'presence.x', true],
    ['account.123.*', 'account.123.', true],
    ['account.123.*', 'account.1234.x', false],
    ['a*z', 'az', true],
    ['a*z', 'a.b.z', true],
    ['a*z', 'a.zz.', false],
    ['a*a', 'a', false],
    ['ab*ba', 'aba', false],
    ['*ab*ab*', 'abab', true],
    ['*ab*ab*', 'aab', false],
    ['*.b.*', 'a.b.c', true],
    ['a**b', 'ab', true],
    ['*', 'line\nbreak', true],
    ['A*', 'a', false],
    ['.*', 'x', false],
    ['[a]*', 'a', false],
    ['$&*', '$&1', true],
  ])('%s on %s: %s', (pattern, name, matches) => {
    expect(wildcardMatcher(pattern)(name)).toBe(matches);
  });

  it('matches what the same regular expression matches', () => {
    fc.assert(
      fc.property(
        text(ASTERISK_OR_LETTER, 4),
        text(ASTERISK_OR_LETTER, 4),
        text(fc.constantFrom(...LETTERS), 9),
        (start, end, long) => {
          const pattern = `${start}*${end}`;
          const [matches, expected] = [wildcardMatcher(pattern), naive(pattern)];
          const wrong = [long, ...NAMES].filter((name) => matches(name) !== expected.test(name));
          if (wrong.length > 0) expect(wrong).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['only asterisks', '*'.repeat(1_024), 0],
    ['asterisks and an end', `${'*'.repeat(1_000)}x`, 0],
    ['many pieces that all match', '*a'.repeat(200) + '*', 200],
    ['many pieces and an end that does not match', '*a'.repeat(400) + '*b', 0],
    ['more pieces than the name has letters', '*a'.repeat(500) + '*', 257],
    ['pieces that nearly match', '*aab'.repeat(250) + '*', 1],
  ])('searches each piece at most once: %s', (_, pattern, searches) => {
    const matches = wildcardMatcher(pattern);
    const name = 'a'.repeat(256);
    const indexOf = jest.spyOn(String.prototype, 'indexOf');
    matches(name);
    const calls = indexOf.mock.calls.length;
    indexOf.mockRestore();
    expect(calls).toBe(searches);
  });
});

describe('a regular expression', () => {
  const cache = new RegexCache();

  it.each([
    ['^org\\.[0-9]+$', 'org.12', true],
    ['^org\\.[0-9]+$', 'org.a', false],
    ['^org\\.[0-9]+$', 'xorg.12', false],
    ['org', 'my.org.x', true],
    ['(?i)^chat$', 'CHAT', true],
    ['\\Aa\\z', 'a', true],
    ['\\Aa\\z', 'ab', false],
    ['^[[:digit:]]+$', '123', true],
    ['^(?P<kind>room|user)\\.', 'room.1', true],
    ['^a.c$', 'abc', true],
    ['^a*$', 'aaa', true],
    ['a*', '', true],
    ['', 'anything', true],
    ['^.$', '😀', true],
    ['\\bchat\\b', 'my chat 1', true],
    ['\\bchat\\b', 'mychat', false],
    ['^\\p{Greek}+$', 'αβγ', true],
    ['^\\Qa.b\\E$', 'a.b', true],
    ['^\\Qa.b\\E$', 'axb', false],
    ['a|b', 'xbx', true],
    ['[^a]', 'aaa', false],
  ])('%s on %s: %s', (pattern, name, matches) => {
    expect(cache.matches(pattern, name)).toBe(matches);
    // The engine's own search, without our bound on its memory.
    expect(RE2JS.compile(pattern).matcher(name).find()).toBe(matches);
  });

  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\w',
    '\\b',
    '^',
    '$',
    '\\pL',
    '[]a]',
    '[[:alpha:](]',
    '\\.',
    'é',
  );
  const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '*?', '{2}', '{3,}', '{0,4}', '{5,7}', '{0}');
  const { pattern: generated } = fc.letrec<{ pattern: string; group: string; piece: string }>((tie) => ({
    piece: fc.tuple(fc.oneof({ depthSize: 'small' }, atom, tie('group')), quantifier).map((parts) => parts.join('')),
    group: fc
      .tuple(fc.constantFrom('(', '(?:', '(?i:', '(?P<n>'), tie('pattern'))
      .map(([open, inner]) => `${open}${inner})`),
    pattern: fc
      .array(tie('piece'), { maxLength: 4 })
      .chain((pieces) => fc.constantFrom('', '|').map((separator) => pieces.join(separator))),
  }));

  it('matches what the unbounded engine finds, and compiles to no more than is estimated', () => {
    let compiled = 0;
    fc.assert(
      fc.property(generated, text(fc.constantFrom('a', 'b', 'é', ' ', '.'), 12), (pattern, name) => {
        let engine: RE2JS;
        try {
          engine = RE2JS.compile(pattern);
        } catch {
          return;
        }
        compiled++;
        const actual = {
          finds: cache.matches(pattern, name),
          isFewer: regexInstructions(pattern) >= engine.programSize(),
        };
        const expected = { finds: engine.matcher(name).find(), isFewer: true };
        // jest's own comparison is slow; it only has to explain a difference.
        if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
      }),
      { numRuns: 5_000 },
    );
    expect(compiled).toBeGreaterThan(2_500);
  });

  it.each([
    ['x{1000}'.repeat(140), 140_000],
    ['(?:(?:(?:abc){10}){10}){10}', 3_000],
    ['((a{2}){2}){2}|(b|[](]{3}x){100}', 300],
    ['(aaaaaaaaaa[](]){1000}', 11_000],
    ['(aaaaaaaaaa[[:alpha:](]){1000}', 11_000],
    ['(aaaaaaaaaa\\Q(((\\E){100}', 1_300],
    ['(aaaaaaaaaa\\)){1000}', 11_000],
    ['(?i)(?:aaaaaaaaaa){100}', 1_000],
    // Reading one takes as long as some hundreds of instructions.
    ['\\p{L}'.repeat(100), 5_000],
    ['(?i)[\\p{Lu}\\P{Greek}]', 400],
    // Each of their characters is looked up.
    ['(?i)[\\x{100}-\\x{ffff}]', 120],
    ['x(?i:[Ā-\\x{1ffff}])', 240],
    [`(?i)[${'\\x{100}-\\x{ffff}'.repeat(50)}]`, 6_000],
  ])('%s is estimated at %d instructions or more, before it is compiled', (pattern, instructions) => {
    expect(regexInstructions(pattern)).toBeGreaterThanOrEqual(instructions);
  });

  it.each([
    ['^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$', 60],
    ['^(?P<organisation>[a-z]{1,20})\\.rooms\\.[0-9]+$', 80],
    ['^account\\.12345\\.(orders|users|invoices)\\..*$', 80],
    ['^[\\p{L}\\p{N}._-]{1,30}$', 800],
    ['(?i)^[a-z0-9_-]{1,20}[^\\x00-\\x{ff}]$', 100],
  ])('%s is estimated at no more than %d instructions', (pattern, instructions) => {
    expect(regexInstructions(pattern)).toBeLessThanOrEqual(instructions);
  });
});

describe('the cache of regular expressions', () => {
  it('keeps to its bound and drops the least recently used', () => {
    const cache = new RegexCache(1_000);
    cache.prepare('^first$');
    for (let i = 0; i < 100; i++) {
      cache.prepare(`^${i}$`);
      expect(cache.matches('^first$', 'first')).toBe(true);
      expect(cache.size).toBeLessThan(10);
    }
    expect(cache.matches('^0$', '0')).toBe(true);
  });

  it('holds nothing for a pattern that is not valid', () => {
    const cache = new RegexCache();
    expect(() => cache.prepare('(')).toThrow();
    expect(cache.size).toBe(0);
  });
});
