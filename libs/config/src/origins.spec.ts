import { isOrigin, originMatcher } from './origins';

describe('an origin in the settings', () => {
  it.each([
    '*',
    'null',
    'https://example.com',
    'http://localhost:3000',
    'https://*.example.com',
    'http://*.localhost.test:8080',
    'capacitor://localhost',
    'tauri://localhost',
    'ionic://localhost',
    'chrome-extension://abcdefghijklmnop',
  ])('may be %s', (text) => expect(isOrigin(text)).toBe(true));

  it.each([
    '',
    'example.com',
    '*.example.com',
    'https://',
    'https://*',
    'https://*.com',
    'https://example.com/',
    'https://EXAMPLE.com',
    'https://example.com:443',
    'https://user@example.com',
    'https://a.*.example.com',
    'https://*example.com',
    'https://*.*.example.com',
    '*://example.com',
  ])('is not %j', (text) => expect(isOrigin(text)).toBe(false));
});

describe('allowed origins', () => {
  const allows = originMatcher(['https://*.example.com', 'https://one.test:8443', 'capacitor://localhost', 'null']);

  it.each([
    'https://a.example.com',
    'https://a.b-1.example.com',
    'https://one.test:8443',
    'capacitor://localhost',
    'null',
  ])('allow %s', (origin) => expect(allows(origin)).toBe(true));

  it.each([
    'https://example.com',
    'http://a.example.com',
    'https://a.example.com:8443',
    'https://aexample.com',
    'https://.example.com',
    'https://evil.test/.example.com',
    'https://evil.test#.example.com',
    'https://evil.test:1.example.com',
    'https://a.example.com.evil.test',
    'https://one.test',
    'tauri://localhost',
    '',
  ])('do not allow %s', (origin) => expect(allows(origin)).toBe(false));

  it('are all with *', () => expect(originMatcher(['*'])('anything')).toBe(true));
});
