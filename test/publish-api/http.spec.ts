import { request } from 'node:http';
import { connect } from 'node:net';
import { errorOf, KEY_1, post, rawExchange, startAll } from './publish-api';

const message = { channel: 'c', event: 'e' };
const authorization = `Bearer ${KEY_1}`;
const MAX_BODY = 262_144;
const MAX_BATCH = 4_194_304;
let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  all = await startAll();
});
afterAll(() => all?.stop());

/** Sends exactly these headers; `fetch` adds some of its own. */
function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }> {
  return new Promise((resolve, reject) => {
    const sending = request({ port: all.app.port, host: '127.0.0.1', method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sending.on('error', reject);
    sending.end(body);
  });
}

describe('paths and methods (publish-api §1, §9)', () => {
  it.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'answers %s with 405 and says what is allowed',
    async (method) => {
      for (const path of ['/publish', '/publish/batch', '//publish?x=1']) {
        const { status, headers, text } = await send(method, path, { authorization });
        expect([status, headers.allow]).toEqual([405, 'POST']);
        expect(JSON.parse(text)).toEqual({ error: { code: 'METHOD_NOT_ALLOWED', message: expect.any(String) } });
      }
    },
  );

  it.each(['/', '/publishing', '/publish/batch/x', '/Publish', '/publish/batches'])(
    'does not know %s',
    async (path) => {
      const { status, headers, text } = await send('POST', path, { authorization }, '{}');
      expect([status, headers['content-type']]).toEqual([404, expect.stringContaining('application/json')]);
      expect(JSON.parse(text)).toEqual({ error: { code: 'NOT_FOUND', message: expect.any(String) } });
    },
  );

  it('answers a path that cannot be decoded in the same shape', async () => {
    const { status, text } = await send('POST', '/%zz', { authorization }, '{}');
    expect(status).toBe(400);
    expect(JSON.parse(text)).toEqual({ error: { code: 'MALFORMED_MESSAGE', message: expect.any(String) } });
  });

  it('takes several slashes for one', async () => {
    for (const path of ['//publish', '///publish', '//publish//batch', '/publish?a=b']) {
      const body = path.includes('batch') ? [message] : message;
      expect((await send('POST', path, { authorization }, JSON.stringify(body))).status).toBe(202);
    }
  });
});

describe('bodies', () => {
  it.each([
    undefined,
    'application/json',
    'application/json; charset=utf-16',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'text/plain;charset=UTF-8',
    'application/x-amz-json-1.0',
    'x',
    '',
    ';',
  ])('are JSON whatever the Content-Type: %p', async (type) => {
    const headers = { authorization, ...(type === undefined ? {} : { 'content-type': type }) };
    const { status, headers: answered, text } = await send('POST', '/publish', headers, JSON.stringify(message));
    expect([status, text]).toEqual([202, '{"channel":"c","event":"e"}']);
    expect(answered['content-type']).toContain('application/json');
  });

  it('may come in chunks', async () => {
    const body = JSON.stringify(message);
    const chunks = [...body].map((character) => `1\r\n${character}\r\n`).join('');
    const answer = await rawExchange(
      all.app.port,
      `POST /publish HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
      (text) => text.includes('"event"'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 202 /);
  });

  it.each([
    ['/publish', MAX_BODY, JSON.stringify(message)],
    ['/publish/batch', MAX_BATCH, JSON.stringify([message])],
  ])('at %s may have %d bytes and not one more', async (path, limit, body) => {
    const url = `${all.app.httpUrl}${path}`;
    expect((await post(url, body.padEnd(limit))).status).toBe(202);
    const refused = await post(url, body.padEnd(limit + 1));
    expect([refused.status, errorOf(refused).code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  it('are not packed, and may begin with a byte order mark', async () => {
    const packed = await fetch(all.url, {
      method: 'POST',
      headers: { authorization, 'content-encoding': 'gzip' },
      body: JSON.stringify(message),
    });
    expect([packed.status, ((await packed.json()) as { error: { code: string } }).error.code]).toEqual([
      415,
      'MALFORMED_MESSAGE',
    ]);
    expect((await post(all.url, `\ufeff${JSON.stringify(message)}`)).status).toBe(202);
  });

  it('are measured before they are looked at', async () => {
    const refused = await post(all.url, 'x'.repeat(MAX_BODY + 1));
    expect([refused.status, errorOf(refused).code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  it('are refused by their announced size, before they are sent', async () => {
    const head = `POST /publish HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\nContent-Length: ${MAX_BODY + 1}\r\n\r\n`;
    const answer = await rawExchange(all.app.port, head, (text) => text.includes('PAYLOAD_TOO_LARGE'));
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('are refused when they turn out too large on the way, and the answer arrives', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const answer = await rawExchange(
      all.app.port,
      `POST /publish HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(6)}0\r\n\r\n`,
      (text) => text.includes('PAYLOAD_TOO_LARGE'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it.each([
    ['no Host', ''],
    ['two', 'Host: a\r\nHost: b\r\n'],
    ['one that is no name', 'Host: a b\r\n'],
    ['one with a path', 'Host: a/b\r\n'],
  ])('with %s are refused (RFC 9112 §3.2)', async (_, hosts) => {
    const answer = await rawExchange(all.app.port, `GET /publish HTTP/1.1\r\n${hosts}\r\n`, (text) =>
      text.endsWith('}'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"MALFORMED_MESSAGE"');
  });

  it.each(['Host: [::1]:80', 'Host: a_b.example', 'Host:'])('with %s are taken', async (host) => {
    const answer = await rawExchange(all.app.port, `GET /publish HTTP/1.1\r\n${host}\r\n\r\n`, (text) =>
      text.endsWith('}'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
  });

  it.each([
    ['/publish/batch', authorization, 413],
    ['/publish', 'Bearer nobody', 401],
    ['/disconnect', authorization, 413],
    ['/nothing', authorization, 413],
  ])(
    'to %s that are refused while they are sent get their answer, also when the connection ends with it',
    async (path, key, status) => {
      const bytes = 16 * 1_048_576;
      const head = `POST ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: ${key}\r\nContent-Length: ${bytes}\r\n\r\n`;
      const answer = await rawExchange(
        all.app.port,
        Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 32)]),
        () => false,
      );
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*"error"`));
    },
  );

  it('that are refused and do not go on are answered all the same', async () => {
    const head = `POST /publish HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{`;
    expect(await rawExchange(all.app.port, head, () => false)).toMatch(/^HTTP\/1\.1 401 [^]*"UNAUTHORIZED"/);
  });

  it('that are not HTTP are answered in the shape of all errors', async () => {
    const answer = await rawExchange(all.app.port, 'BLA /\r\n\r\n', (text) => text.includes('}'));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"MALFORMED_MESSAGE"');
  });

  it('may be announced with Expect: 100-continue', async () => {
    const body = JSON.stringify(message);
    const head = `POST /publish HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`;
    expect(await rawExchange(all.app.port, `${head}${body}`, (text) => text.includes('"event"'))).toContain(' 202 ');
  });

  it('that end in the middle are nothing to report', async () => {
    for (let n = 0; n < 5; n++) {
      const head = `POST /publish HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\nContent-Length: 1000\r\n\r\n{`;
      const socket = connect(all.app.port, '127.0.0.1');
      await new Promise((resolve) => socket.write(head, resolve));
      socket.resetAndDestroy();
    }
    expect((await post(all.url, message)).status).toBe(202);
    expect(all.app.lines.filter((line) => line.includes('"ERROR"'))).toEqual([]);
  });
});
