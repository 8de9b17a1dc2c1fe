import { exactly, parseExactly } from './exact-numbers';

it.each([
  '[1e400,-1e400,12345678901234567890,0.1000,1.0,-0,1E5]',
  '{"a":1e400,"b":"1e400","c":"say \\"1e400\\"","d":{"1e400":[1,2.5,true,null]}}',
  '1e400',
  '"1e400"',
])('%s is shown as it came', (text) => {
  expect(exactly(JSON.stringify(parseExactly(text)))).toBe(text);
});

it('leaves the numbers that JavaScript holds', () => {
  expect(parseExactly('{"total":12,"ratio":0.25,"name":"12"}')).toEqual({ total: 12, ratio: 0.25, name: '12' });
});

it.each(['', '{', '[01]', 'NaN', '{"a":1e}'])('%j is no JSON', (text) => {
  expect(() => parseExactly(text)).toThrow(SyntaxError);
});
