import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import 'reflect-metadata';
import { ProtocolError } from '@hearth/protocol';
import { Controller, Get, HttpCode, Module, Post, Req, UseGuards, type CanActivate } from '@nestjs/common';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { request as httpRequest } from 'node:http';
import { EventEmitter, once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createHttpApp, rawBody, type HttpConfig } from './http-app';
import { Backlogs } from '../limits/backlogs';
import { createLogger } from '../log/logger';
import type { UpgradeRequest } from './plain-upgrade';
import { UnreadAnswers } from './unread-answers';

class Nobody implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

let release: () => void = () => {};
let takeUpgrade: (request: UpgradeRequest) => void = () => {};

@Controller()
class TestController {
  @Post('echo')
  @HttpCode(202)
  echo(@Req() request: FastifyRequest) {
    const body = rawBody(request);
    return { bytes: body.length, hex: body.subarray(0, 16).toString('hex') };
  }

  @Get('channels/:name')
  channel(@Req() request: FastifyRequest<{ Params: { name: string } }>) {
    return { name: request.params.name };
  }

  @Get('refused')
  refused() {
    throw new ProtocolError('DATA_TOO_LARGE', 'data is too large', { index: 3 });
  }

  @Get('broken')
  broken() {
    throw new Error('PLANTED detail', { cause: new Error('the cause') });
  }

  @Get('guarded')
  @UseGuards(Nobody)
  guarded() {}

  @Post('slow')
  slow() {
    return new Promise<void>((resolve) => (release = resolve));
  }
}

@Module({ controllers: [TestController] })
class TestModule {}

const config: HttpConfig = {
  maxHeaderBytes: 4_096,
  maxBodyBytes: 2_000,
  httpTimeoutMs: 500,
  maxConnections: 0,
  tlsCertFile: undefined,
  tlsKeyFile: undefined,
  trustedProxies: [],
};

const QUIET = createLogger({ level: 'INFO', service: 'test' }, { write: () => {} });

let app: NestFastifyApplication;
let port: number;
let log: string[];

beforeAll(async () => {
  log = [];
  const logger = createLogger({ level: 'INFO', service: 'test' }, { write: (line) => void log.push(line) });
  app = await createHttpApp(TestModule, config, logger);
  const server: FastifyInstance = app.getHttpAdapter().getInstance();
  server.post('/direct', () => {
    throw new ProtocolError('UNAUTHORIZED', 'the API key is not valid');
  });
  server.plainPosts.take('/plain', 100, (_sender, body, reply) => reply.code(202).send({ bytes: body.length }));
  server.plainPosts.take('/large', 100, (_sender, _body, reply) => reply.send('x'.repeat(2_097_152)));
  server.plainPosts.takeUpgrades(['/live'], (request) => takeUpgrade(request));
  await app.listen(0, '127.0.0.1');
  ({ port } = app.getHttpServer().address() as AddressInfo);
});

beforeEach(() => {
  log.length = 0;
});

afterAll(async () => {
  release();
  await app.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: { readonly error?: { readonly code: string; readonly message: string; readonly index?: number } };
}

/** One request, with exactly these headers. */
function send(
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text === '' ? {} : JSON.parse(text),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/**
 * Writes bytes to a bare socket and gives everything that came back when the server has closed it.
 *
 * @param isAll says that nothing more will come
 */
function sendBytes(bytes: string, at = port, isAll = false): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(at, '127.0.0.1', () => void (isAll ? socket.end(bytes) : socket.write(bytes)));
    socket.on('data', (chunk) => (received += chunk.toString()));
    // The server may close while there is something that it has not read.
    socket.on('error', (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || reject(error));
    socket.on('close', () => resolve(received));
  });
}

function errorOf(raw: string): { status: number; code: string } {
  const [head = '', body = '{}'] = raw.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), code: (JSON.parse(body) as Answer['body']).error?.code ?? '' };
}
describe('a body', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'text/plain;charset=UTF-8',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/x-amz-json-1.1',
    'json',
    '/',
    ';;',
    'undefined',
    'a/b/c',
    'text/plain; charset',
  ])('arrives as it was sent with content type %j', async (type) => {
    expect(await send('POST', '/echo', '{"a":', { 'content-type': type })).toMatchObject({
      status: 202,
      body: { bytes: 5, hex: Buffer.from('{"a":').toString('hex') },
    });
  });

  it('arrives without content type, in chunks, and byte for byte', async () => {
    const bytes = Buffer.from([0, 255, 254, 10, 13]);
    expect((await send('POST', '/echo', bytes)).body).toEqual({ bytes: 5, hex: bytes.toString('hex') });
    expect((await send('POST', '/echo', bytes, { 'transfer-encoding': 'chunked' })).body).toMatchObject({ bytes: 5 });
  });

  it('that comes in more pieces than anybody needs ends its connection', async () => {
    const chunks = (count: number) => `${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`;
    const head = 'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    const next = 'GET /channels/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    expect(await sendBytes(`${head}${chunks(1_000)}${next}`)).toContain('{"name":"next"}');
    expect(await sendBytes(`${head}${chunks(3_000)}${next}`)).not.toContain('{"name":"next"}');
  });

  it('that is answered by hand, and not read, counts among what waits', async () => {
    const backlogs = new Backlogs(Infinity);
    const unread = new UnreadAnswers(backlogs, undefined as never);
    const app = await createHttpApp(TestModule, config, QUIET, undefined, undefined, unread);
    const server: FastifyInstance = app.getHttpAdapter().getInstance();
    server.plainPosts.take('/large', 100, (_sender, _body, reply) => reply.send('x'.repeat(16_777_216)));
    await app.listen(0, '127.0.0.1');
    const socket = connect((app.getHttpServer().address() as AddressInfo).port, '127.0.0.1').pause();
    // The second one goes to Node, and the connection with it.
    socket.write('POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n');
    while (backlogs.bytes < 1_048_576) await delay(20);
    socket.resume();
    while (backlogs.bytes > 0) await delay(20);
    socket.destroy();
    await app.close();
  });

  it('that does not end is cut off when too much of such is kept, the largest first', async () => {
    const large = await createHttpApp(TestModule, { ...config, maxBodyBytes: 4_194_304, httpTimeoutMs: 60_000 }, QUIET);
    await large.listen(0, '127.0.0.1');
    const { port: at } = large.getHttpServer().address() as AddressInfo;
    const head = (bytes: number) => `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`;
    const piece = Buffer.alloc(4_194_303);
    const [cutOff, reached] = [new Set<Socket>(), new EventEmitter()];
    const small = connect(at, '127.0.0.1');
    small.write(`${head(2)}a`);
    const begun = Array.from({ length: 34 }, () => {
      const socket = connect(at, '127.0.0.1').on('error', () => {});
      socket.on('close', () => cutOff.add(socket).size === 2 && reached.emit('two'));
      socket.write(head(4_194_304));
      socket.write(piece);
      return socket;
    });
    await once(reached, 'two');
    small.write('b');
    const [answer] = (await once(small, 'data')) as [Buffer];
    expect(answer.toString()).toContain('"bytes":2');
    expect(cutOff.size).toBe(2);
    for (const socket of [small, ...begun]) socket.destroy();
    await large.close();
  });

  it.each(['gzip', 'br', 'gzip, identity', 'x'])('that is packed (%s) is answered 415', async (encoding) => {
    const answer = await send('POST', '/echo', gzipSync('{}'), { 'content-encoding': encoding });
    expect(answer).toMatchObject({ status: 415, body: { error: { code: 'MALFORMED_MESSAGE' } } });
    expect(answer.body.error?.message).toContain('Content-Encoding');
  });

  it('that is packed for its way is answered 501', async () => {
    const head = 'POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: ';
    const body = '\r\n\r\n2\r\n{}\r\n0\r\n\r\n';
    expect(errorOf(await sendBytes(`${head}gzip, chunked${body}`))).toEqual({ status: 501, code: 'MALFORMED_MESSAGE' });
    expect(await sendBytes(`${head}Chunked${body}`)).toContain('"bytes":2');
  });

  it('may be said to be as it is', async () => {
    expect((await send('POST', '/echo', 'x', { 'content-encoding': 'identity' })).body).toMatchObject({ bytes: 1 });
  });

  it('that is missing is empty', async () => {
    expect((await send('POST', '/echo')).body).toMatchObject({ bytes: 0 });
    expect((await send('POST', '/echo', '', { 'content-type': 'application/json' })).body).toMatchObject({ bytes: 0 });
  });

  it('may have exactly the allowed size', async () => {
    expect((await send('POST', '/echo', 'x'.repeat(2_000))).body).toMatchObject({ bytes: 2_000 });
  });

  it.each([{}, { 'transfer-encoding': 'chunked' }])(
    'that is larger is answered 413, and read to its end (%j)',
    async (headers) => {
      const answer = await send('POST', '/echo', 'x'.repeat(3_000_000), headers as Record<string, string>);
      expect(answer).toMatchObject({ status: 413, body: { error: { code: 'PAYLOAD_TOO_LARGE' } } });
      expect(answer.headers.connection).not.toBe('close');
    },
  );
});

it('an answer that waits for the end of a body that nobody reads is no answer that is overdue', async () => {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString())).on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write('GET /channels/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n');
  // For longer than an answer may take, never silent for so long that it would not be waited for.
  for (let n = 0; n < 12; n++) {
    await delay(100);
    socket.write('x');
  }
  expect(received).toBe('');
  await closed;
  expect(received).toMatch(/^HTTP\/1.1 200 [^]*{"name":"c"}$/);
});

describe('a body in pieces of one byte', () => {
  const inPieces = (count: number, line = 'POST /echo'): Promise<string> => {
    const head = `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
    return sendBytes(`${head}${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`);
  };

  it('is taken', async () => {
    expect(await inPieces(1_000)).toMatch(/^HTTP\/1.1 202 [^]*"bytes":1000/);
  });

  it('is refused when there are more than anybody writes: each takes a hundred bytes of memory', async () => {
    expect(errorOf(await inPieces(1_900))).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
  });

  it('is told why it was refused before that', async () => {
    expect(errorOf(await inPieces(1_900, 'GET /guarded'))).toEqual({ status: 401, code: 'UNAUTHORIZED' });
  });
});

describe('a path', () => {
  it('may have duplicate slashes', async () => {
    expect((await send('POST', '//echo', 'x')).status).toBe(202);
    expect((await send('GET', '//channels///a')).body).toEqual({ name: 'a' });
  });

  it('is decoded after it was taken apart', async () => {
    expect((await send('GET', '/channels/a%2Fb%20%F0%9F%94%A5')).body).toEqual({ name: 'a/b 🔥' });
  });

  it('may hold the longest channel name there is', async () => {
    const name = '🔥'.repeat(256);
    expect((await send('GET', `/channels/${encodeURIComponent(name)}`)).body).toEqual({ name });
  });

  it.each(['/', '/nothing', '/echo/more', '/channels/a/b', '/%2e%2e/echo'])(
    'that is unknown is answered 404: %s',
    async (path) => {
      expect(await send('POST', path, '{}')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } });
    },
  );

  it.each(['/channels/%', '/channels/%zz', '/channels/%C3%28', '/%E0%A4%A'])(
    'that cannot be decoded is answered 400: %s',
    async (path) => {
      expect(await send('GET', path)).toMatchObject({ status: 400, body: { error: { code: 'MALFORMED_MESSAGE' } } });
    },
  );

  it.each([
    ['GET', '/echo', 'POST'],
    ['DELETE', '//echo?x=1', 'POST'],
    ['POST', '/channels/a%2Fb', 'GET, HEAD'],
    ['PUT', '/direct', 'POST'],
  ])('does not take every method: %s %s', async (method, path, allow) => {
    const answer = await send(method, path);
    expect(answer).toMatchObject({ status: 405, body: { error: { code: 'METHOD_NOT_ALLOWED' } } });
    expect(answer.headers.allow).toBe(allow);
  });
});

describe('a failure', () => {
  it('of the protocol is answered with its code, status and index', async () => {
    expect(await send('GET', '/refused')).toMatchObject({
      status: 413,
      body: { error: { code: 'DATA_TOO_LARGE', message: 'data is too large', index: 3 } },
    });
    expect(log).toEqual([]);
  });

  it('to authenticate tells how', async () => {
    for (const answer of [await send('GET', '/guarded'), await send('POST', '/direct')]) {
      expect(answer).toMatchObject({ status: 401, body: { error: { code: 'UNAUTHORIZED' } } });
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    }
  });

  it('of ours is logged once with its cause and tells the client nothing', async () => {
    const answer = await send('GET', '/broken');
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({ error: { code: 'INTERNAL_ERROR', message: 'An internal error occurred' } });
    expect(log).toHaveLength(1);
    expect(JSON.parse(log[0]!)).toMatchObject({
      level: 'ERROR',
      err: { message: 'PLANTED detail', cause: { message: 'the cause' } },
    });
  });

  it('to answer in time is a 503, and the late answer does no harm', async () => {
    const answer = await send('POST', '/slow', '{}');
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'SERVICE_UNAVAILABLE' } } });
    release();
    expect((await send('POST', '/echo', 'x')).status).toBe(202);
    expect(log).toEqual([]);
  });
});

describe('what is not HTTP as it should be', () => {
  it('gets a clean answer', async () => {
    expect(errorOf(await sendBytes('HELLO\r\n\r\n'))).toEqual({ status: 400, code: 'MALFORMED_MESSAGE' });
    expect(
      errorOf(
        await sendBytes('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'),
      ),
    ).toEqual({ status: 400, code: 'MALFORMED_MESSAGE' });
  });

  it.each([
    ['without a Host', 400, 'GET / HTTP/1.1\r\n\r\n'],
    ['that expects too much', 417, 'POST /echo HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx'],
  ])('gets an answer with a body: %s', async (_what, status, bytes) => {
    expect(errorOf(await sendBytes(bytes))).toEqual({ status, code: 'MALFORMED_MESSAGE' });
  });

  it.each([
    ['that is none', 'HELLO\r\n\r\n'],
    ['without a Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['that expects too much', 'POST /echo HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx'],
    ['with too large a header', `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'x'.repeat(5_000)}\r\n\r\n`],
    ['with too many headers', `GET / HTTP/1.1\r\nHost: x\r\n${'a:\r\n'.repeat(1_000)}\r\n`],
    ['with a path that cannot be decoded', 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
  ])('gets an answer that pages may read: %s', async (_what, bytes) => {
    expect(await sendBytes(bytes)).toMatch(/^HTTP\/1.1 4\d\d [^]*\naccess-control-allow-origin: \*\r\n/);
  });

  it('needs no Host where HTTP is too old for it', async () => {
    expect(errorOf(await sendBytes('GET / HTTP/1.0\r\n\r\n'))).toEqual({ status: 404, code: 'NOT_FOUND' });
  });

  it('gets 431 for too many headers, and for too long a path', async () => {
    const header = `X-Large: ${'x'.repeat(5_000)}\r\n`;
    expect(errorOf(await sendBytes(`GET / HTTP/1.1\r\nHost: x\r\n${header}\r\n`))).toMatchObject({ status: 431 });
    expect(errorOf(await sendBytes(`GET /${'x'.repeat(5_000)} HTTP/1.1\r\nHost: x\r\n\r\n`))).toMatchObject({
      status: 431,
    });
  });

  it('gets 431 for a header that would be left out, and none is', async () => {
    const request = (others: number) => `GET /nothing HTTP/1.1\r\nHost: x\r\n${'a:\r\n'.repeat(others)}\r\n`;
    expect(errorOf(await sendBytes(request(1_000)))).toEqual({ status: 431, code: 'PAYLOAD_TOO_LARGE' });
    const sent = sendBytes(
      request(999)
        .replace('Host: x', 'Connection: close')
        .replace(/a:\r\n\r\n$/, 'Host: x\r\n\r\n'),
    );
    expect(errorOf(await sent)).toEqual({ status: 404, code: 'NOT_FOUND' });
  });

  // Those that wait do so side by side.
  it.concurrent('gets 408 when the headers do not come', async () => {
    const answers = await Promise.all(['POST /echo HTTP/1.1\r\nHost: x\r\n', 'P', ''].map((begun) => sendBytes(begun)));
    expect(answers.map((answer) => errorOf(answer).status)).toEqual([408, 408, 408]);
  });

  it.concurrent('gets 408 after 5 s, however long an answer may take', async () => {
    const patient = await createHttpApp(TestModule, { ...config, httpTimeoutMs: 600_000 }, QUIET);
    await patient.listen(0, '127.0.0.1');
    const { port: at } = patient.getHttpServer().address() as AddressInfo;
    const answers = await Promise.all([sendBytes('', at), sendBytes('GET / HTTP/1.1\r\n', at)]);
    expect(answers.map((answer) => errorOf(answer).status)).toEqual([408, 408]);
    await patient.close();
  });

  it('waits its turn when others come on the connection before it is answered, and is ended when it is too much', async () => {
    const requests = (count: number) => 'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count);
    const next = 'GET /channels/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const answers = await sendBytes(`${requests(200)}${next}`);
    expect(answers.split('HTTP/1.1 404').length).toBe(201);
    expect(answers).toContain('{"name":"next"}');
    expect(await sendBytes(`${requests(300)}${next}`)).not.toContain('{"name":"next"}');
    const head = `POST /slow HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(3_000)}\r\nContent-Length: 2000\r\n\r\n`;
    const large = head.padEnd(head.length + 2_000, '-');
    expect(await sendBytes(`${large.repeat(40)}${next}`)).toContain('{"name":"next"}');
    expect(await sendBytes(`${large.repeat(240)}${next}`)).not.toContain('{"name":"next"}');
  });

  it('gets 408 in time when its headers begin late', async () => {
    const answered: number[] = [];
    const late = connect(port, '127.0.0.1').on('data', (chunk) => answered.push(errorOf(chunk.toString()).status, 0));
    await delay(200);
    const punctual = sendBytes('GET / HTTP/1.1\r\n').then((raw) => answered.push(errorOf(raw).status));
    await delay(250);
    late.write('GET / HTTP/1.1\r\n');
    await punctual;
    expect(answered).toEqual([408, 0, 408]);
  });

  it.concurrent('gets 408 when the body does not come', async () => {
    const raw = await sendBytes('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab');
    expect(errorOf(raw)).toMatchObject({ status: 408 });
  });
});

describe('a plain request', () => {
  const request = (body: string): string =>
    `POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  it.each([
    ['with others', [request('a') + request('bc')]],
    ['in two pieces', [request('a').slice(0, -1), `a${request('bc')}`]],
    [
      'in two pieces, the second with a part of the next',
      [request('a').slice(0, 20), request('a').slice(20) + 'P', request('bc').slice(1)],
    ],
  ])('that comes %s is none of Node', async (_how, pieces) => {
    let ofNode = 0;
    const count = (): void => void ofNode++;
    app.getHttpServer().on('request', count);
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.includes('{"bytes":2}')) socket.destroy();
    });
    for (const piece of pieces) {
      socket.write(piece);
      await delay(20);
    }
    if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve));
    app.getHttpServer().off('request', count);
    expect([...text.matchAll(/"bytes":(\d)/g)].map(([, bytes]) => bytes)).toEqual(['1', '2']);
    expect(ofNode).toBe(0);
  });

  it('goes with the next one to Node once, whether or not its answer was read by then', async () => {
    const large = 'POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
    const get = (name: string) => `GET /channels/${name} HTTP/1.1\r\nHost: x\r\n`;
    const answers = await sendBytes(`${large.repeat(10)}${get('first')}\r\n${get('last')}Connection: close\r\n\r\n`);
    expect(answers.length).toBeGreaterThan(20_971_520);
    expect([...answers.matchAll(/\{"name":"(\w+)"\}/g)].map(([, name]) => name)).toEqual(['first', 'last']);
  });

  it('whose rest comes late, or never, is one of Node', async () => {
    const [late, never] = await Promise.all([
      new Promise<string>((resolve) => {
        const socket = connect(port, '127.0.0.1').on('data', (chunk) => resolve(chunk.toString()));
        socket.write(request('a').slice(0, -1));
        app.getHttpServer().once('request', () => socket.end('a'));
      }),
      sendBytes(request('abc').slice(0, -2)),
    ]);
    expect(late).toMatch(/^HTTP\/1\.1 404 /);
    expect(errorOf(never).status).toBe(408);
    expect(await sendBytes(request('abc').slice(0, -2), port, true)).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('an upgrade', () => {
  afterEach(() => app.getHttpServer().removeAllListeners('upgrade'));

  it.each(['//v1?token=a//b', 'http://x/v1?token=a//b', '/%761?token=a//b'])('to %s is one to /v1', async (target) => {
    const targets: (string | undefined)[] = [];
    app.getHttpServer().on('upgrade', (request, socket) => {
      targets.push(request.url);
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    });
    await sendBytes(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    expect(targets).toEqual(['/v1?token=a//b']);
  });

  it.each(['//channels//a', 'http://x/channels/a', '/%63hannels/a'])('is not needed: GET %s', async (target) => {
    const raw = await sendBytes(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(raw).toMatch(/^HTTP\/1.1 200 OK[^]*\{"name":"a"\}$/);
  });

  it('that is plain comes first to who takes those, by itself, and what comes next waits for its reader', async () => {
    const ofNode = jest.fn((_request: unknown, socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    app.getHttpServer().on('upgrade', ofNode);
    const lines = `Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`;
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /live?a=b HTTP/1.1\r\n${lines}\r\n`);
    const { url, headers, socket: taken } = await new Promise<UpgradeRequest>((resolve) => (takeUpgrade = resolve));
    expect([url, headers.host, ofNode.mock.calls]).toEqual(['/live?a=b', 'x', []]);
    socket.end('what comes next');
    await delay(20);
    const [read] = (await once(taken, 'data')) as [Buffer];
    expect(read.toString()).toBe('what comes next');
    taken.destroy();
    for (const other of [
      `GET /live HTTP/1.1\r\n${lines}TE: trailers\r\n\r\n`,
      `GET /live HTTP/1.1\r\n${lines}\r\nmore`,
    ])
      expect(await sendBytes(other)).toMatch(/^HTTP.1.1 400 Bad Request/);
    expect(ofNode).toHaveBeenCalledTimes(2);
  });

  it('to WebSocket goes to its listener, any other offer is ignored', async () => {
    const upgraded: (string | undefined)[] = [];
    app.getHttpServer().on('upgrade', (request, socket) => {
      upgraded.push(request.headers.upgrade);
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    });

    const h2c = await send('POST', '/echo', 'hello', {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABkAAQAAP__',
    });
    expect(h2c).toMatchObject({ status: 202, body: { bytes: 5 } });
    expect(upgraded).toEqual([]);

    const raw = await sendBytes(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n',
    );
    expect(raw).toContain('101 Switching Protocols');
    expect(upgraded).toEqual(['WebSocket']);
  });
});

describe('the start', () => {
  it('fails with the reason when a provider cannot be made', async () => {
    @Module({
      providers: [
        {
          provide: 'x',
          useFactory: () => {
            throw new Error('no such luck');
          },
        },
      ],
    })
    class Failing {}
    const logger = createLogger({ level: 'ERROR', service: 'test' }, { write: (line) => void log.push(line) });
    await expect(createHttpApp(Failing, config, logger)).rejects.toThrow('no such luck');
  });
});
