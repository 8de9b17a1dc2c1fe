import { jsonWithMember } from './json-member';

describe('an object with a member as it is written', () => {
  it.each([
    ['beside others', { a: 1 }, '1.10', '{"a":1,"n":1.10}'],
    ['in the place of its like', { n: 0, a: 1 }, '[ 1e400 ]', '{"a":1,"n":[ 1e400 ]}'],
    ['alone', { a: undefined }, ' 12345678901234567890\n', '{"n":12345678901234567890}'],
    ['and one without it', { n: 1.5 }, undefined, '{"n":1.5}'],
  ])('%s', (_, members, text, json) => {
    expect(jsonWithMember(members, 'n', text)).toBe(json);
  });
});
