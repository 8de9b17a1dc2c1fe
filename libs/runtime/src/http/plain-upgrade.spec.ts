import { plainUpgrade } from './plain-upgrade';

const PATHS = new Set(['/v1', '/']);
const LEAST =
  'Host: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: k==\r\nSec-WebSocket-Version: 13\r\n';
const get = (target: string, lines = LEAST): string => `GET ${target} HTTP/1.1\r\n${lines}`;

describe('the head of a plain WebSocket handshake', () => {
  it('has the target, and the headers that are looked at, as Node gives them', () => {
    const more =
      'ORIGIN:  https://a \t\r\nUser-Agent:\r\nX-Forwarded-For: 192.0.2.1, ::1\r\nX-Other: \xe9\r\nCookie: a=b\r\n';
    expect(plainUpgrade(get('/v1?token=a.b-_c&resume=%7B%7D', LEAST + more), PATHS)).toEqual({
      url: '/v1?token=a.b-_c&resume=%7B%7D',
      headers: {
        host: 'h:1',
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-key': 'k==',
        'sec-websocket-version': '13',
        origin: 'https://a',
        'user-agent': '',
        'x-forwarded-for': '192.0.2.1, ::1',
      },
    });
  });

  it.each(['Upgrade', 'upgrade', 'keep-alive, Upgrade'])('may say Connection: %s', (connection) => {
    expect(
      plainUpgrade(get('/', LEAST.replace('Connection: Upgrade', `Connection: ${connection}`)), PATHS),
    ).toBeDefined();
  });

  it.each([
    get('/v2'),
    get('//v1'),
    get('/%761'),
    get('http://h/v1'),
    get('*'),
    get('/v1?a b'),
    get('/v1?a#b'),
    get('/v1?\xe9'),
    get('/v1').replace('HTTP/1.1', 'HTTP/1.0'),
    get('/v1').replace('GET', 'get'),
    get('/v1').replace('GET ', 'GET  '),
    get('/v1', ''),
    ...['Host: h:1', 'Upgrade: websocket', 'Connection: Upgrade'].map((line) =>
      get('/v1', LEAST.replace(`${line}\r\n`, '')),
    ),
    get('/v1', LEAST.replace('h:1', 'a b')),
    get('/v1', LEAST.replace(': websocket', ': h2c')),
    get('/v1', LEAST.replace('Connection: Upgrade', 'Connection: Upgrade, HTTP2-Settings')),
    ...[
      'Host: h',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: k==',
      'Sec-WebSocket-Version: 13',
      'Origin: a\r\nOrigin: b',
      'User-Agent: a\r\nUser-Agent: b',
      'X-Forwarded-For: a\r\nX-Forwarded-For: b',
      'Content-Length: 0',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
      'TE: trailers',
      'HTTP2-Settings: x',
      'X',
      'X : x',
      ' X: folded',
      'X: a\nb',
      'X: a\0b',
      Array.from({ length: 64 }, (_, n) => `X-${n}: x`).join('\r\n'),
    ].map((line) => get('/v1', `${LEAST}${line}\r\n`)),
  ])('is for Node when it is %j', (text) => expect(plainUpgrade(text, PATHS)).toBeUndefined());
});
