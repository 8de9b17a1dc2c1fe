import { plainHead } from './plain-head';

const least = 'Host: h\r\nContent-Length: 3\r\n';

describe('the head of a plain request', () => {
  it('has the headers that are looked at, as Node gives them, and says how long the body is', () => {
    const lines = `${least}AUTHORIZATION:  Bearer a b\t \r\nUser-Agent:\r\nX-Forwarded-For: 192.0.2.1, ::1\r\nX-Other: \xe9\r\nConnection: Keep-Alive\r\n`;
    expect(plainHead(lines)).toEqual({
      headers: { authorization: 'Bearer a b', 'user-agent': '', 'x-forwarded-for': '192.0.2.1, ::1' },
      bodyBytes: 3,
    });
  });

  it.each([
    '',
    'Host: h\r\n',
    'Content-Length: 3\r\n',
    'Host: a b\r\nContent-Length: 3\r\n',
    'Host: h\r\nContent-Length: 0x3\r\n',
    'Host: h\r\nContent-Length: -3\r\n',
    'Host: h\r\nContent-Length: 3, 3\r\n',
    'Host: h\r\nContent-Length: 30000000000\r\n',
    ...[
      'Host: h',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding : chunked',
      'Content-Encoding: identity',
      'Expect: 100-continue',
      'Upgrade: websocket',
      'Connection: close',
      'Connection: keep-alive, x',
      'X',
      ': x',
      'X-\xe9: x',
      'X: a\nb',
      'X: a\rb',
      'X: a\0b',
      'X: a\x7fb',
      ' X: folded',
      'User-Agent: a\r\nUser-Agent: b',
      'Authorization: a\r\nauthorization: b',
    ].map((line) => `${least}${line}\r\n`),
  ])('is for Node to read when it is anything else: %j', (lines) => {
    expect(plainHead(lines)).toBeUndefined();
  });

  it('is read once, however many blanks it has', () => {
    // In as many ways as there are pairs of them, this would take minutes.
    const blanks = ' '.repeat(500_000);
    expect(plainHead(`${least}X:${blanks}\x01\r\n`)).toBeUndefined();
    expect(plainHead(`${least}X:${blanks}a${blanks}\r\n`)?.bodyBytes).toBe(3);
  });

  it('ends with a line break', () => {
    expect(plainHead(least.slice(0, -1))).toBeUndefined();
    expect(plainHead(`${least}X: x`)).toBeUndefined();
  });
});
