import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import { limitPeers } from './peers';
import { UpgradableRequest } from './upgradable-request';

/** Bodies that come in small pieces: what they cost everybody else (limits §6). */

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => void server.close().closeAllConnections()));

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  prepare: (server: Server) => void = () => undefined,
): Promise<() => Socket> {
  const server = createServer({ IncomingMessage: UpgradableRequest }, answer);
  prepare(server);
  limitPeers(server, undefined, () => '');
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return () => connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
}

const head = (...headers: string[]): string => `${['POST / HTTP/1.1', 'Host: x', ...headers].join('\r\n')}\r\n\r\n`;
const CHUNKED = head('Transfer-Encoding: chunked');
const chunks = (count: number): string => '1\r\nx\r\n'.repeat(count);

/** Answers with the bytes of the body. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece)).on('end', () => response.end(Buffer.concat(pieces)));
}

async function exchange(socket: Socket, text: string, how: 'write' | 'end' = 'write'): Promise<string> {
  let answer = '';
  socket.on('data', (piece: Buffer) => (answer += piece.toString('latin1')));
  socket[how](Buffer.from(text, 'latin1'));
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

it('many connections together bring few of them in one turn of the event loop', async () => {
  let [now, most, bytes] = [0, 0, 0];
  const open = await listen((request, response) => {
    request.on('data', ({ length }: Buffer) => {
      if (now++ === 0) setImmediate(() => (now = 0));
      [most, bytes] = [Math.max(most, now), bytes + length];
    });
    request.on('end', () => response.end());
  });
  const last = 'Connection: close';
  const text = `${head('Transfer-Encoding: chunked', last)}${'8\r\n12345678\r\n'.repeat(4_000)}0\r\n\r\n`;
  const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(open(), text)));
  expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 200'))).toHaveLength(20);
  expect(bytes).toBe(20 * 4_000 * 8);
  expect(most).toBeLessThan(1_000);
});

it.each(['write', 'end'] as const)('arrive whole, and so does what comes behind them (%s)', async (how) => {
  const open = await listen(echo);
  const texts = Array.from({ length: 900 }, (_, n) => `${n}`.padStart(n % 40, '-'));
  const long = texts.join('').repeat(30);
  const answer = await exchange(
    open(),
    [
      CHUNKED,
      ...texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`),
      '0\r\n\r\n',
      head(`Content-Length: ${long.length}`),
      long,
      head('Content-Length: 4', 'Connection: close'),
      'last',
    ].join(''),
    how,
  );
  const bodies = answer.split(/HTTP\/1.1 200[^]*?\r\n\r\n/).slice(1);
  expect(bodies.map((body) => body.replace(/^[0-9a-f]+\r\n([^]*?)\r\n0\r\n\r\n$/, '$1'))).toEqual([
    texts.join(''),
    long,
    'last',
  ]);
});

it('leave nobody out: each of many connections is answered before any is ten times', async () => {
  const open = await listen(echo);
  const counts = Array.from({ length: 200 }, () => 0);
  const sockets = counts.map(() => open());
  const ask = (socket: Socket): Promise<unknown> => {
    socket.write(`${CHUNKED}${'8\r\n12345678\r\n'.repeat(40)}0\r\n\r\n`);
    return once(socket, 'data');
  };
  await Promise.all(sockets.map(ask));
  let isOver = false;
  await Promise.all(
    sockets.map(async (socket, n) => {
      while (!isOver) {
        await ask(socket);
        isOver ||= ++counts[n]! === 10;
      }
      socket.destroy();
    }),
  );
  expect(counts.filter((count) => count === 0)).toEqual([]);
});

it('do not make others wait', async () => {
  let ended = 0;
  const open = await listen(echo);
  const flood = `${CHUNKED}${'8\r\n12345678\r\n'.repeat(20_000)}0\r\n\r\n`;
  const floods = Array.from({ length: 50 }, () => {
    const socket = open();
    return exchange(socket, flood).then(() => ended++);
  });
  for (let n = 0; n < 20; n++) {
    const answer = await exchange(open(), `${head('Content-Length: 2', 'Connection: close')}ab`);
    expect(answer).toMatch(/ab/);
  }
  expect(ended).toBeLessThan(50);
  servers.at(-1)?.closeAllConnections();
  await Promise.all(floods);
});

it('what is no HTTP is refused once', async () => {
  let refusals = 0;
  const open = await listen(echo, (server) =>
    server.on('clientError', (_, socket) => {
      refusals++;
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    }),
  );
  const answer = await exchange(open(), `${CHUNKED}${'x'.repeat(65_000)}`);
  expect([answer.split('HTTP/1.1 400').length - 1, refusals]).toEqual([1, 1]);
});

describe('what comes at once with a handshake is for whom the connection is handed to', () => {
  const handshake = [
    'GET / HTTP/1.1',
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const texts = Array.from({ length: 500 }, (_, n) => `message ${n}`);
  const frames = texts.map((text) => `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`);
  const all = `${handshake.join('\r\n')}\r\n\r\n${frames.join('')}\x88\x80\0\0\0\0`;

  it.each([
    ['first', ''],
    ['behind a body in small pieces, beside others', `${CHUNKED}${'8\r\n12345678\r\n'.repeat(1_000)}0\r\n\r\n`],
  ])('%s', async (_, before) => {
    const sockets = new WebSocketServer({ noServer: true });
    const open = await listen(echo, (server) =>
      server.on('upgrade', (request, socket, first) =>
        sockets.handleUpgrade(request, socket, first, (webSocket) =>
          webSocket.on('message', (text: Buffer) => webSocket.send(text)),
        ),
      ),
    );
    const answers = await Promise.all(Array.from({ length: 30 }, () => exchange(open(), before + all)));
    for (const answer of answers) expect(answer.match(/message \d+/g)).toEqual(texts);
  });
});

describe('in more pieces than anybody needs', () => {
  const written = chunks(300_000);

  it.each([[[]], [['Connection: close']]])('end their connection when nobody reads them (%j)', async (headers) => {
    const open = await listen((_, response) => response.writeHead(401).end());
    const answer = await exchange(open(), head('Transfer-Encoding: chunked', ...headers) + written);
    expect(answer).toMatch(/^HTTP\/1.1 401/);
  });

  it('end it when somebody does', async () => {
    const open = await listen(echo);
    expect(await exchange(open(), CHUNKED + written)).toBe('');
  });

  it('end it also behind a request that was none of these', async () => {
    const open = await listen(echo);
    const first = head('Content-Length: 1') + 'x';
    expect(await exchange(open(), first + CHUNKED + written)).toMatch(/^HTTP\/1.1 200[^]*\r\n\r\n/);
  });
});
