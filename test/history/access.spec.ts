import { request } from 'node:http';
import { Client as Postgres } from 'pg';
import { eventually } from '../support/eventually';
import { Answer, Client, connectToken, post, Testbed } from '../support/installation';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { TcpProxy } from '../support/tcp-proxy';

/** Who is let in, what browsers are told, and what happens when something is away (client-http-api §1, §9.1, §9.2). */
let testbed: Testbed;
let client: Client;

beforeAll(async () => {
  testbed = await Testbed.start({
    HEARTH_LOG_LEVEL: 'DEBUG',
    HEARTH_HTTP_TIMEOUT_MS: '1500',
    HEARTH_LIMIT_ADDRESS_REQUESTS: '0.01,3',
    HEARTH_LIMIT_ADDRESS_EXEMPT: '127.0.0.0/8',
    HEARTH_TRUSTED_PROXIES: '127.0.0.0/8',
  });
  client = await testbed.connect({ channels: { '*': { historyStart: 0 } } });
});
afterAll(() => testbed?.stop());

const body = { channel: 'c' };

/** `fetch` cannot send some of these requests, and would follow none of the rules that are checked here. */
function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  port = testbed.history.port,
) {
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>((resolve, reject) => {
    const sending = request({ port, host: '127.0.0.1', method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sending.on('error', reject);
    sending.end();
  });
}

function expectUnauthorized({ status, json, headers }: Answer): void {
  expect([status, json.error.code]).toEqual([401, 'UNAUTHORIZED']);
  expect(headers.get('access-control-allow-origin')).toBe('*');
}

describe('credentials', () => {
  it('that are good do not count as a request of their address, whatever is said of the rest', async () => {
    const query = `connectionId=${client.id}&connectionSecret=${client.secret}`;
    const ask = (operation: string, query: string) =>
      fetch(`${client.url}${operation}?${query}`, {
        method: 'POST',
        body: JSON.stringify({ channel: 'c', key: 'k', messageId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }),
        headers: { 'x-forwarded-for': '203.0.113.7' },
      });
    for (const operation of ['listReactions', 'channelStorageGet', 'channelStorageSet', 'channelStorageList']) {
      for (let n = 0; n < 5; n++) expect([200, 403]).toContain((await ask(operation, query)).status);
    }
    for (let n = 0; n < 3; n++) expect((await ask('listReactions', `${query}x`)).status).toBe(401);
    const refused = await ask('listReactions', query);
    expect(refused.status).toBe(429);
    // It comes before anything is known of it, and a page can read it all the same.
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
    expect(refused.headers.get('access-control-expose-headers')).toBe('retry-after');
  });

  it('may have their = raw or encoded in either case', async () => {
    expect(client.id).toMatch(/=$/);
    for (const id of [
      client.id,
      client.id.replace('=', '%3D'),
      client.id.replace('=', '%3d'),
      encodeURIComponent(client.id),
    ]) {
      for (const query of [
        `connectionId=${id}&connectionSecret=${client.secret}`,
        `connectionSecret=${client.secret}&other=1&connectionId=${id}`,
      ]) {
        expect((await post(`${client.url}listMessages?${query}`, body)).status).toBe(200);
      }
    }
  });

  it('of another gateway work as well, and only together', async () => {
    const other = await testbed.connect({ channels: { '*': { historyStart: 0 } } }, testbed.gateways[1]);
    expect((await other.call('listMessages', body)).status).toBe(200);
    const id = encodeURIComponent(other.id);
    expectUnauthorized(
      await post(`${client.url}listMessages?connectionId=${id}&connectionSecret=${client.secret}`, body),
    );
  });

  it.each<[string, (id: string, secret: string) => string]>([
    ['no query', () => ''],
    ['no secret', (id) => `?connectionId=${id}`],
    ['an empty secret', (id) => `?connectionId=${id}&connectionSecret=`],
    ['no id', (_, secret) => `?connectionSecret=${secret}`],
    ['an empty id', (_, secret) => `?connectionId=&connectionSecret=${secret}`],
    ['a wrong secret', (id, secret) => `?connectionId=${id}&connectionSecret=${secret.slice(0, -1)}_`],
    ['a secret in another case', (id, secret) => `?connectionId=${id}&connectionSecret=${swapCase(secret)}`],
    ['a longer secret', (id, secret) => `?connectionId=${id}&connectionSecret=${secret}a`],
    ['a secret beyond ASCII', (id) => `?connectionId=${id}&connectionSecret=%F0%9F%94%91`],
    ['an id without its =', (id, secret) => `?connectionId=${id.replace('%3D', '')}&connectionSecret=${secret}`],
    [
      'an unknown id of this gateway',
      (id, secret) => `?connectionId=${id.slice(0, 4)}AAAAAAAAAAA%3D&connectionSecret=${secret}`,
    ],
    [
      'an id of a gateway that is not there',
      (id, secret) => `?connectionId=____${id.slice(4)}&connectionSecret=${secret}`,
    ],
    ['an id that is none', (_, secret) => `?connectionId=%00%2A.%3E&connectionSecret=${secret}`],
  ])('are needed: %s', async (_, query) => {
    for (const operation of ['listMessages', 'publishMessage']) {
      const target = `${client.url}${operation}${query(encodeURIComponent(client.id), client.secret)}`;
      expectUnauthorized(await post(target, { ...body, event: 'e' }));
    }
  });

  it('end with the connection', async () => {
    const short = await testbed.connect({ channels: { '*': { historyStart: 0 } } });
    expect((await short.call('listMessages', body)).status).toBe(200);
    await short.ws.close();
    await eventually(async () => expectUnauthorized(await short.call('listMessages', body)));
  });

  it('never reach a log, nor do tokens', async () => {
    const token = connectToken({ uid: 'planted-uid' });
    await post(`${client.url}listMessages${client.query}&token=${token}`, 'not json');
    await send('GET', `/connection/listMessages${client.query}`);
    await send('GET', `/%zz${client.query}`);
    for (const app of testbed.apps) {
      const log = app.lines.join('\n');
      expect(log).toContain('Started');
      for (const planted of [client.secret, token, token.split('.')[1]!]) expect(log).not.toContain(planted);
    }
  });
});

describe('other origins (§9.1)', () => {
  const origin = { origin: 'https://app.example' };

  it.each(['listMessages', 'publishMessage'])('are told by a preflight that they may use %s', async (operation) => {
    const headers = {
      ...origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    };
    for (const path of [`/connection/${operation}`, `//connection//${operation}${client.query}`]) {
      const answer = await send('OPTIONS', path, headers);
      expect([answer.status, answer.text]).toEqual([204, '']);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'POST, OPTIONS',
        'access-control-allow-headers': 'content-type',
        'access-control-max-age': '86400',
      });
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    }
  });

  it.each<[status: number, method: string, path: string]>([
    [200, 'POST', 'listMessages?'],
    [400, 'POST', 'publishMessage?'],
    [401, 'POST', 'listMessages'],
    [404, 'POST', 'nothing?'],
    [404, 'GET', 'nothing?'],
    [405, 'GET', 'listMessages?'],
    [405, 'PUT', 'publishMessage?'],
    [405, 'DELETE', 'listMessages?'],
  ])('can read an answer %d', async (status, method, path) => {
    const target = `/connection/${path.replace('?', client.query)}`;
    const sent =
      method === 'POST' && status === 200 ? await post(`${testbed.history.httpUrl}${target}`, body, origin) : undefined;
    const answer = sent ?? (await send(method, target, origin));
    const headers = sent === undefined ? (answer.headers as Record<string, string>) : Object.fromEntries(sent.headers);
    expect([answer.status, headers['access-control-allow-origin']]).toEqual([status, '*']);
    expect(headers['content-type']).toContain('application/json');
    if (status === 405) expect(headers.allow).toBe('POST');
  });

  it('can read that a body was too large', async () => {
    const { status, headers } = await client.call('listMessages', 'x'.repeat(262_145));
    expect([status, headers.get('access-control-allow-origin')]).toEqual([413, '*']);
  });

  it('may be limited to some', async () => {
    const strict = await testbed.add('history', { HEARTH_CORS_ORIGINS: 'https://a.example,https://b.example' });
    const allowed = async (headers: Record<string, string>) =>
      (await send('OPTIONS', '/connection/listMessages', headers, strict.port)).headers;
    expect(await allowed({ origin: 'https://b.example' })).toMatchObject({
      'access-control-allow-origin': 'https://b.example',
      vary: 'origin',
    });
    expect(await allowed({ origin: 'https://c.example' })).not.toHaveProperty('access-control-allow-origin');
    expect(await allowed({})).toMatchObject({ vary: 'origin' });
  });
});

describe('when something is away', () => {
  it('answers 503 while the gateway hangs, and 401 once it is gone', async () => {
    const gateway = await testbed.add('gateway');
    const lost = await testbed.connect({ channels: { '*': { historyStart: 0 } } }, gateway);
    expect((await lost.call('listMessages', body)).status).toBe(200);
    await pauseProcess(gateway.pid);
    const hanging = await lost.call('listMessages', body);
    expect([hanging.status, hanging.json.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    expect(hanging.headers.get('access-control-allow-origin')).toBe('*');
    resumeProcess(gateway.pid);
    await eventually(async () => expect((await lost.call('listMessages', body)).status).toBe(200));
    await gateway.stop();
    await eventually(async () => expectUnauthorized(await lost.call('listMessages', body)));
  });

  it('answers 503 while NATS does not find the gateway, and works again afterwards', async () => {
    const nats = await TcpProxy.start(testbed.nats.port);
    try {
      const gateway = await testbed.add('gateway', { HEARTH_NATS_URL: `nats://127.0.0.1:${nats.port}` });
      const lost = await testbed.connect({ channels: { c: { historyStart: 0 } } }, gateway);
      const read = async () => (await lost.call('listMessages', body)).status;
      expect(await read()).toBe(200);
      nats.halt();
      nats.cut();
      for (const operation of ['listMessages', 'publishMessage', 'channelStorageSet']) {
        const { status, json } = await lost.call(operation, { ...body, event: 'e', key: 'k', data: 1 });
        expect([operation, status, json.error.message]).toEqual([
          operation,
          503,
          'try again: the gateway did not answer',
        ]);
      }
      nats.goOn();
      await eventually(async () => expect(await read()).toBe(200));
      await gateway.stop();
    } finally {
      await nats.stop();
    }
  });

  it('answers 503 while Postgres is away, and works again afterwards', async () => {
    const name = new URL(testbed.database.url).pathname.slice(1);
    const server = new URL(testbed.database.url);
    server.pathname = '/postgres';
    const sql = new Postgres(server.href);
    await sql.connect();
    try {
      await sql.query(`alter database "${name}" allow_connections false`);
      await sql.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
      await eventually(async () => {
        const { status, json } = await client.call('listMessages', body);
        expect([status, json.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      });
    } finally {
      await sql.query(`alter database "${name}" allow_connections true`);
      await sql.end();
    }
    await eventually(async () => expect((await client.call('listMessages', body)).status).toBe(200));
  });

  it('answers 503 while NATS is away, and works again afterwards', async () => {
    await testbed.nats.kill();
    await eventually(async () => {
      const { status, json } = await client.call('listMessages', body);
      expect([status, json.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    });
    await testbed.nats.restart();
    await eventually(async () => expect((await client.call('listMessages', body)).status).toBe(200));
  });
});

const swapCase = (text: string): string =>
  [...text].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('');
