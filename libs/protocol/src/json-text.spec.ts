import fc from 'fast-check';
import { memberNames } from './json-text';

describe('the members of an object', () => {
  it('are listed in the order they are written', () => {
    const written = '{ "b" : {"x":"\\"}{", "1": [":", {}]} , "10":"z:", "2" : null,"a\\u0062":true,"":[]}';
    expect(memberNames(written)).toEqual(['b', '10', '2', 'ab', '']);
    expect(memberNames('{}')).toEqual([]);
  });

  it('are listed for every object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (object) => {
        expect(memberNames(JSON.stringify(object, undefined, 1))).toEqual(Object.keys(object));
      }),
    );
  });

  it('are listed for a long string', () => {
    expect(memberNames(JSON.stringify({ a: '\\"'.repeat(15_000), b: 1 }))).toEqual(['a', 'b']);
  });
});
