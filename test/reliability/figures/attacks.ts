import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import type { Frame } from '../../support/ws-client';

/** What attackers aim at. */
export interface Target {
  readonly gatewayPort: number;
  readonly publishPort: number;
  readonly apiKey: string;
  /** A connect token with these channels. */
  readonly token: (channels: object) => string;
}

/** Input that is made to cost more than it costs to send. */
export interface Attack {
  readonly name: string;
  /** What its answer looks like when it was refused as it should be: `413`, `closed 1009`, `error MALFORMED_MESSAGE`. */
  readonly answer: RegExp;
  strike(target: Target): Promise<string>;
}

/** Far longer than any refusal takes, and than the time in which a request has to come. */
const GIVE_UP_MS = 60_000;
const ANY_CHANNEL = { '*': { subscribe: true, messages: { '*': { publish: true } } } };
/** Deeper than any parser of JSON has to go. */
const DEPTH = 16_384;
const DEEP_ARRAYS = '['.repeat(DEPTH) + ']'.repeat(DEPTH);
const DEEP_OBJECTS = '{"a":'.repeat(DEPTH / 4) + '1' + '}'.repeat(DEPTH / 4);

/** Sends bytes, whatever they are, and reads the status of the answer; `closed` without one. */
function overTcp(port: number, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answer = '';
    const finish = (outcome: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish('no answer'), GIVE_UP_MS);
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
      if (status !== undefined) finish(status);
    });
    // What was refused early is not read to its end.
    socket.on('error', () => finish('closed'));
    socket.on('close', () => finish('closed'));
    for (const piece of pieces) socket.write(piece);
  });
}

const head = (line: string, ...headers: readonly string[]): string =>
  `${[`${line} HTTP/1.1`, 'Host: hearth', ...headers].join('\r\n')}\r\n\r\n`;

/** A request with the key that everything is open to: a backend may be hostile or broken, too. */
function publish(name: string, answer: RegExp, body: string | Buffer, path = '/publish'): Attack {
  return {
    name: `publish: ${name}`,
    answer,
    strike: ({ publishPort, apiKey }) =>
      overTcp(
        publishPort,
        head(`POST ${path}`, `Authorization: Bearer ${apiKey}`, `Content-Length: ${Buffer.byteLength(body)}`),
        body,
      ),
  };
}

function http(name: string, answer: RegExp, ...pieces: readonly (string | Buffer)[]): Attack[] {
  return (['gatewayPort', 'publishPort'] as const).map((port) => ({
    name: `HTTP, ${port === 'gatewayPort' ? 'gateway' : 'publish-api'}: ${name}`,
    answer,
    strike: (target) => overTcp(target[port], ...pieces),
  }));
}

/** Opens a WebSocket, does something, and gives the close code, or the code of the first error when it stays open. */
function webSocket(
  name: string,
  answer: RegExp,
  attack: (socket: WebSocket, raw: (bytes: Buffer) => void) => void,
  channels: object = ANY_CHANNEL,
): Attack {
  const strike = ({ gatewayPort, token }: Target): Promise<string> =>
    new Promise((resolve) => {
      let problem = '';
      const socket = new WebSocket(`ws://127.0.0.1:${gatewayPort}/v1?token=${token(channels)}`);
      const finish = (outcome: string): void => {
        clearTimeout(timer);
        socket.terminate();
        resolve(outcome);
      };
      const timer = setTimeout(() => finish('no answer'), GIVE_UP_MS);
      socket.on('open', () => {
        const { _socket } = socket as unknown as { _socket: { write(bytes: Buffer): void } };
        attack(socket, (bytes) => _socket.write(bytes));
      });
      socket.on('message', (text: Buffer) => {
        const frame: Frame = JSON.parse(text.toString('utf8'));
        if (frame.event === 'hotsock.error') finish(`error ${frame.error.code}`);
      });
      socket.on('pong', () => finish('pong'));
      socket.on('unexpected-response', (_, { statusCode }) => finish(`handshake ${statusCode}`));
      socket.on('error', ({ message }) => (problem = ` ${message}`));
      socket.on('close', (code) => finish(`closed ${code}${code === 1006 ? problem : ''}`));
    });
  return { name: `WebSocket: ${name}`, answer, strike };
}

/** Opens a Socket.IO session over WebSocket, sends a packet, and gives what comes back, or how it ends. */
function socketIo(name: string, answer: RegExp, packet: string): Attack {
  const strike = ({ gatewayPort }: Target): Promise<string> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${gatewayPort}/socket.io/?EIO=4&transport=websocket`);
      const finish = (outcome: string): void => {
        clearTimeout(timer);
        socket.terminate();
        resolve(outcome);
      };
      const timer = setTimeout(() => finish('no answer'), GIVE_UP_MS);
      socket.on('message', (data: Buffer) => {
        const text = data.toString('utf8');
        if (text.startsWith('0')) socket.send(packet);
        else finish(text);
      });
      socket.on('error', () => undefined);
      socket.on('close', (code) => finish(`closed ${code}`));
    });
  return { name: `Socket.IO: ${name}`, answer, strike };
}

/** A frame with a mask of zeros. */
function frame(firstByte: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload);
  const length =
    bytes.length < 126
      ? Buffer.from([0x80 | bytes.length])
      : Buffer.from([0x80 | 126, bytes.length >> 8, bytes.length & 255]);
  return Buffer.concat([Buffer.from([firstByte]), length, Buffer.alloc(4), bytes]);
}

const TEXT = 0x81;
const TEXT_FRAGMENT = 0x01;
const CONTINUATION_FRAGMENT = 0x00;
const PING = 0x89;

/** For back-tracking matchers each of these takes longer than the universe has lasted. */
const REGEX_BOMBS = ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^(.*a){20}$', '^((a*)*)*b$', '(x+x+)+y', '^(a?){50}a{50}$'];
const bombedChannels = Object.fromEntries(REGEX_BOMBS.map((regex) => [`#regex:${regex}`, { subscribe: true }]));
const NAME_FOR_BOMBS = `${'a'.repeat(254)}!`;
const SUBSCRIBES = 100;

const emptyObjects = (bytes: number): string =>
  Array(Math.floor(bytes / 3))
    .fill('{}')
    .join();
const largeDocument = `{"channel":"c","event":"e","data":[${emptyObjects(32_000)}]}`;
const manyHeaders = Array.from({ length: 5_000 }, (_, n) => `X-${n}: ${'v'.repeat(20)}`);
const wrongToken = ['{"alg":"HS256","typ":"JWT"}', `{"exp":99999999999,"scope":"connect","umd":${DEEP_ARRAYS}}`]
  .map((text) => Buffer.from(text).toString('base64url'))
  .join('.');
const wronglySigned = `${wrongToken}.${createHmac('sha256', 'another key').update(wrongToken).digest('base64url')}`;
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];

export const ATTACKS: readonly Attack[] = [
  webSocket('a frame that says it has 2^62 bytes', /^closed 1009$/, (_, raw) =>
    raw(Buffer.concat([Buffer.from([TEXT, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(4)])),
  ),
  webSocket('a message of 1 MB', /^closed 1009$/, (socket) => socket.send('x'.repeat(1_000_000))),
  webSocket('16,000 fragments of a byte, not JSON', /^closed 1009$/, (_, raw) => {
    raw(frame(TEXT_FRAGMENT, 'x'));
    raw(Buffer.concat(Array.from({ length: 16_000 }, () => frame(CONTINUATION_FRAGMENT, 'x'))));
    raw(frame(0x80, 'x'));
  }),
  webSocket('a message that never ends, in fragments of a byte', /^closed 1009$/, (_, raw) => {
    raw(frame(TEXT_FRAGMENT, 'x'));
    raw(Buffer.concat(Array.from({ length: 40_000 }, () => frame(CONTINUATION_FRAGMENT, 'x'))));
  }),
  webSocket('100,000 empty fragments', /^closed 1009$/, (_, raw) => {
    raw(frame(TEXT_FRAGMENT));
    raw(Buffer.concat(Array.from({ length: 100_000 }, () => frame(CONTINUATION_FRAGMENT))));
  }),
  // One pong waits at a time, for the newest of them; who is read faster than it may send is sent away.
  webSocket('20,000 pings of 125 bytes', /^(pong|closed 4429)$/, (_, raw) =>
    raw(Buffer.concat(Array.from({ length: 20_000 }, () => frame(PING, Buffer.alloc(125))))),
  ),
  webSocket('a frame without a mask', /^closed 1002$/, (_, raw) => raw(Buffer.from([TEXT, 1, 0x78]))),
  webSocket('a compressed frame', /^closed 1002$/, (_, raw) => raw(frame(0xc1, Buffer.alloc(100)))),
  webSocket('text that is not UTF-8', /^closed 1007$/, (_, raw) => raw(frame(TEXT, Buffer.from([0xff, 0xfe])))),
  webSocket('JSON 16,384 deep', /^error MALFORMED_MESSAGE$/, (socket) =>
    socket.send(`{"event":"e","channel":"c","data":${DEEP_ARRAYS}}`),
  ),
  webSocket('JSON 16,384 deep that does not end', /^error MALFORMED_MESSAGE$/, (socket) =>
    socket.send('{"event":"e","channel":"c","x":'.padEnd(DEPTH, '[')),
  ),
  webSocket('objects 4,096 deep in a member that nobody reads', /^error [A-Z_]+$/, (socket) =>
    socket.send(`{"event":"e","channel":"c","x":${DEEP_OBJECTS}}`),
  ),
  webSocket('10,000 members', /^error [A-Z_]+$/, (socket) =>
    socket.send(`{${Array.from({ length: 10_000 }, (_, n) => `"k${n}":0`).join()},"event":"e"}`),
  ),
  webSocket('128 kB of empty objects', /^error NOT_SUBSCRIBED$/, (socket) =>
    socket.send(`{"event":"e","channel":"c","x":[${emptyObjects(130_000)}]}`),
  ),
  socketIo('a CONNECT of 120 kB of empty objects', /^44/, `40{"token":"x","x":[${emptyObjects(120_000)}]}`),
  webSocket(
    'names that are made for the regular expressions of a token',
    /^error SUBSCRIBE_PERMISSION_DENIED$/,
    (socket) => {
      for (let n = 0; n < SUBSCRIBES; n++) {
        socket.send(JSON.stringify({ event: 'hotsock.subscribe', channel: NAME_FOR_BOMBS }));
      }
    },
    bombedChannels,
  ),
  {
    name: 'handshake: a token of 50 kB with another signature',
    answer: /^401$/,
    strike: ({ gatewayPort }) =>
      overTcp(
        gatewayPort,
        head(`GET /v1?token=${wronglySigned}`, ...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='),
      ),
  },
  ...http('5,000 headers', /^431$/, head('GET /', ...manyHeaders)),
  ...http('a header of 1 MB', /^431$/, head('GET /', `X: ${'x'.repeat(1_000_000)}`)),
  ...http('a path of 1 MB', /^(431|414)$/, head(`GET /${'x'.repeat(1_000_000)}`)),
  ...http('half a head', /^(408|closed)$/, 'GET / HTTP/1.1\r\nHost: hearth\r\nX: '),
  ...http(
    'two lengths of one body',
    /^400$/,
    head('POST /', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
    '0\r\n\r\n',
  ),
  ...http('bytes that are not HTTP', /^400$/, Buffer.alloc(10_000, 0xff)),
  {
    name: 'publish: a body of 1 GB without a key',
    answer: /^401$/,
    strike: ({ publishPort }) =>
      overTcp(publishPort, head('POST /publish', 'Content-Length: 1000000000'), Buffer.alloc(500_000)),
  },
  {
    name: 'publish: a body of 1 GB',
    answer: /^413$/,
    strike: ({ publishPort, apiKey }) =>
      overTcp(
        publishPort,
        head('POST /publish', `Authorization: Bearer ${apiKey}`, 'Content-Length: 1000000000'),
        Buffer.alloc(500_000),
      ),
  },
  {
    name: 'publish: a body that does not end, a byte in each chunk',
    // Who is still writing may not come to read the answer.
    answer: /^(413|closed)$/,
    strike: ({ publishPort, apiKey }) =>
      overTcp(
        publishPort,
        head('POST /publish', `Authorization: Bearer ${apiKey}`, 'Transfer-Encoding: chunked'),
        '1\r\nx\r\n'.repeat(300_000),
      ),
  },
  publish('data 16,384 deep', /^400$/, `{"channel":"c","event":"e","data":${DEEP_ARRAYS}}`),
  publish('JSON 16,384 deep that does not end', /^400$/, '{"channel":"c","event":"e","x":'.padEnd(DEPTH, '[')),
  publish('250 kB of brackets', /^400$/, '['.repeat(250_000)),
  publish('250 kB of quotation marks', /^400$/, '"'.repeat(250_000)),
  publish('250 kB of backslashes', /^400$/, `{"channel":"${'\\'.repeat(250_000)}`),
  publish('250 kB of members', /^400$/, `{${Array.from({ length: 22_000 }, (_, n) => `"k${n}":0`).join()}}`),
  publish('a batch of 100,000 empty documents', /^400$/, `[${Array(100_000).fill('{}').join()}]`, '/publish/batch'),
  publish('a batch of 3 MB of empty objects', /^400$/, `[${`${largeDocument},`.repeat(99)}{}]`, '/publish/batch'),
  publish(
    'a schedule expression of 100 kB',
    /^400$/,
    `{"channel":"c","event":"e","scheduleExpression":"${'at('.repeat(33_000)}"}`,
  ),
];
