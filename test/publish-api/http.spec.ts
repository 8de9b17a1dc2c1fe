import { request } from 'node:http';
import { connect } from 'node:net';
import { errorOf, KEY_1, KEY_2, post, rawExchange, startAll } from './publish-api';

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

describe('a plain request, head and body in one piece', () => {
  const head = (path: string, more = '', body = ''): string =>
    `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const plain = (body: string, more = '', path = '/publish'): string => head(path, more, body);
  const answers = (text: string): string[] => text.split(/(?=HTTP\/1\.1 \d)/).filter((answer) => answer !== '');
  const withoutDate = (answer: string): string => answer.replace(/^Date: .*$/m, 'Date:');

  /** Writes pieces, some in segments, each as soon as the answers to those before have come; resolves with `count` answers, or what came until the end. */
  function exchange(pieces: readonly (string | string[])[], count: number): Promise<string[]> {
    return new Promise((resolve, reject) => {
      const socket = connect(all.app.port, '127.0.0.1').setNoDelay(true);
      let [text, sent] = ['', 0];
      const next = async (): Promise<void> => {
        const segments = pieces[sent++] ?? '';
        for (const segment of [segments].flat()) await new Promise((written) => socket.write(segment, 'utf8', written));
      };
      socket.on('data', (chunk) => {
        text += chunk.toString('utf8');
        if (answers(text).length >= count && /[}\]]$/.test(text)) socket.destroy();
        else void next();
      });
      socket.on('connect', () => void next()).on('error', reject);
      socket.on('close', () => resolve(answers(text).map(withoutDate)));
    });
  }

  const bodies = [
    JSON.stringify(message),
    '{"channel":"c","event":"é","data":"€"}',
    '{"channel":"c","event":"e","chanel":1}',
    '{"channel":"c"}',
    '{"channel":"c","event":"hotsock.x"}',
    '{',
    '',
    '\ufeff{"channel":"c","event":"e"}',
  ];

  it.each(bodies)('is answered as any other: %p', async (body) => {
    for (const [path, text] of [
      ['/publish', body],
      ['/publish/batch', `[${body}]`],
    ] as const) {
      // A header that is read by nobody keeps it from being plain.
      const [asPlain, again, asOther] = await exchange(
        [plain(text, '', path), plain(text, '', path), plain(text, 'TE: trailers\r\n', path)],
        3,
      );
      expect(asPlain).toMatch(/^HTTP\/1\.1 (202|400) /);
      expect([again, asOther]).toEqual([asPlain, asPlain]);
    }
  });

  it.each(['', 'Bearer wrong', 'Basic x', `bearer  ${KEY_2} `])('shows its key like any other: %p', async (shown) => {
    const request = (more: string): string =>
      plain(JSON.stringify(message), more).replace(`Authorization: ${authorization}`, `Authorization: ${shown}`);
    const [asPlain, asOther] = await exchange([request(''), request('TE: trailers\r\n')], 2);
    expect(asPlain).toMatch(shown.includes(KEY_2) ? / 202 / : / 401 /);
    expect(asOther).toBe(asPlain);
  });

  it('has its turn: what comes before the answer is answered after it', async () => {
    const texts = ['1', '2', '3'].map((event) => plain(JSON.stringify({ channel: 'turns', event })));
    const batch = plain('[{"channel":"turns","event":"4"}]', 'Connection: close\r\n', '/publish/batch');
    const answered = await exchange([[...texts, batch].join('')], 5);
    expect(answered.map((answer) => /"event":"(.)"/.exec(answer)?.[1])).toEqual(['1', '2', '3', '4']);
    expect((await all.queue.of('turns')).map(({ event }) => event)).toEqual(['1', '2', '3', '4']);
    const socket = connect(all.app.port, '127.0.0.1');
    const [first = '', ...rest] = texts;
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (answers(text).length === texts.length && text.endsWith('}')) socket.destroy();
    });
    socket.write(first);
    // In segments of their own, while the first is on its way to the stream.
    for (const later of rest) await new Promise((resolve) => socket.write(later, resolve));
    if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve));
    expect(answers(text).map((answer) => /"event":"(.)"/.exec(answer)?.[1])).toEqual(['1', '2', '3']);
  });

  it('may be one of many that come at once, cut anywhere', async () => {
    const events = Array.from({ length: 150 }, (_, n) => `${n}`);
    const text = events.map((event) => plain(JSON.stringify({ channel: 'many', event }))).join('');
    const segments = Array.from({ length: Math.ceil(text.length / 1_771) }, (_, n) =>
      text.slice(n * 1_771).slice(0, 1_771),
    );
    const answered = await exchange([segments], events.length);
    expect(answered.map((answer) => /^HTTP\/1\.1 202 [^]*"event":"(\d+)"/.exec(answer)?.[1])).toEqual(events);
    expect((await all.queue.of('many')).map(({ event }) => event)).toEqual(events);
  });

  it.each([
    ['by hand', ''],
    ['by Node', 'TE: trailers\r\n'],
  ])('keeps its place behind large ones, which are parsed in turns, read %s', async (how, line) => {
    const spaces = ' '.repeat(20_000);
    const connections = Array.from({ length: 8 }, async (_, n) => {
      const document = (event: number): string => `{"channel":"large.${how.at(-1)}.${n}","event":"${event}"}`;
      const requests = [0, 5, 10].flatMap((event) => [
        plain(`${spaces}${document(event)}`, line),
        plain(document(event + 1), line),
        plain(`[${document(event + 2)},${spaces}${document(event + 3)}]`, line, '/publish/batch'),
        plain(document(event + 4), line),
      ]);
      await exchange([requests.join('')], requests.length);
      return (await all.queue.of(`large.${how.at(-1)}.${n}`)).map(({ event }) => Number(event));
    });
    const inOrder = Array.from({ length: 15 }, (_, event) => event);
    expect(await Promise.all(connections)).toEqual(Array.from({ length: 8 }, () => inOrder));
  });

  it.each([
    ['two lengths', 'Content-Length: 3\r\n', 400],
    ['a length that is none', 'Content-Length: +27\r\n', 400],
    ['a length and chunks', 'Transfer-Encoding: chunked\r\n', 400],
    ['a folded line', 'X-A: 1\r\n 2\r\n', 400],
    ['a blank before the colon', 'X-A : 1\r\n', 400],
    ['a lone line feed', 'X-A: 1\nX-B: 2\r\n', 400],
    ['a lone carriage return', 'X-A: 1\rX-B: 2\r\n', 400],
    ['a null', 'X-A: \0\r\n', 400],
    ['a line without a colon', 'X-A\r\n', 400],
    ['a packed body', 'Content-Encoding: gzip\r\n', 415],
    ['an expectation nobody meets', 'Expect: 200-ok\r\n', 417],
    ['an end', 'Connection: close\r\n', 202],
    ['an offer of another protocol', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n', 202],
  ])('that has %s is read by Node', async (_what, line, status) => {
    const body = JSON.stringify(message);
    const [first = '', second = ''] = await exchange([plain(body), plain(body, line)], 2);
    expect(first).toMatch(/^HTTP\/1\.1 202 /);
    expect(second).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it('is answered alike when it comes in two pieces, and so is what comes after it', async () => {
    const body = JSON.stringify(message);
    const request = plain(body);
    const [first, second, third] = await exchange([request, [request.slice(0, 30), request.slice(30)], request], 3);
    expect([second, third]).toEqual([first, first]);
  });
});
