import { targetName } from './target-name';

it('the name of a target gives away nothing but its host, and tells two URLs apart', () => {
  const [a, b] = ['https://user:pass@hooks.example.com/T0/SECRET?key=K', 'https://hooks.example.com/T1'];
  expect(targetName(a)).toMatch(/^hooks\.example\.com~[0-9a-f]{8}$/);
  expect(targetName(a)).not.toBe(targetName(b));
  // Written in two ways, the same URL.
  expect(targetName('HTTPS://hooks.example.com:443/T1')).toBe(targetName(b));
});
