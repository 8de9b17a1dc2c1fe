import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { sameJson } from './json-equality';

describe('two JSON texts mean the same', () => {
  it.each([
    ['null', ' null '],
    ['{}', '{ }'],
    ['[]', '[\n]'],
    ['{"a":1,"b":[1,{"c":2,"d":3}]}', '{ "b" : [ 1 , {"d":3,"c":2} ], "a": 1 }'],
    ['"é"', '"\\u00e9"'],
    ['"\\""', '"\\u0022"'],
    ['{"é":1}', '{"\\u00e9":1}'],
    ['1', '1.0'],
    ['1', '10e-1'],
    ['100', '1E+2'],
    ['-0', '0'],
    ['0', '0.000e99999999999999999999'],
    ['1e99999999999999999999', '10e99999999999999999998'],
    ['12345678901234567890', '12345678901234567890.0'],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{"__proto__":1,"a":2}', '{"a":2,"__proto__":1}'],
  ])('%s and %s', (a, b) => {
    expect(sameJson(a, b)).toBe(true);
    expect(sameJson(b, a)).toBe(true);
  });

  it.each([
    ['1', '"1"'],
    ['null', '{}'],
    ['0', 'false'],
    ['""', 'null'],
    ['[]', '{}'],
    ['[1,2]', '[2,1]'],
    ['[[1],2]', '[[1,2]]'],
    ['[1,2]', '[12]'],
    ['1', '-1'],
    ['1', '10'],
    ['0.1', '0.01'],
    ['1e400', '1e401'],
    ['12345678901234567890', '12345678901234567891'],
    ['0.1', '0.10000000000000000001'],
    ['{"a":1}', '{"a":1,"b":null}'],
    ['{"a":"b,c"}', '{"a":"b","c":1}'],
    ['"\\u00e9"', '"e\\u0301"'],
    ['["a\\\\","b"]', '["a\\\\\\",\\"b"]'],
  ])('not %s and %s', (a, b) => {
    expect(sameJson(a, b)).toBe(false);
    expect(sameJson(b, a)).toBe(false);
  });

  it('as often as a deep comparison says so', () => {
    // A small alphabet, so that equal values come up.
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom(null, true, false, 0, 1, -1.5, '', 'a', '"', '\\', '{', ','),
        fc.array(tie('any'), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom('a', 'b', '"', '\\', '__proto__'), tie('any'), {
          maxKeys: 2,
          noNullPrototype: true,
        }),
      ),
    })).any;
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
        expect(sameJson(x, y)).toBe(isDeepStrictEqual(JSON.parse(x), JSON.parse(y)));
        expect(sameJson(x, JSON.stringify(a, undefined, 2))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
