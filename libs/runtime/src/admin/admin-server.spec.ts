import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { rateLimited } from '@hearth/protocol';
import { AdminServer } from './admin-server';

const TOKEN = 'the-operators-own-token';
let admin: AdminServer;
let url: string;
let token: string | undefined;

function newAdmin(): AdminServer {
  return new AdminServer({
    names: ['node.example.com'],
    token: () => token,
    host: '127.0.0.1',
    port: 0,
    metrics: async () => 'hearth_up 1\n',
    info: () => ({ version: '1.2.3' }),
  });
}

beforeEach(async () => {
  token = TOKEN;
  admin = newAdmin();
  const { port }: AddressInfo = await admin.start();
  url = `http://127.0.0.1:${port}`;
});

afterEach(() => admin.stop());

async function get(path: string, init?: RequestInit) {
  const response = await fetch(url + path, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** With a `Host` of its own, which `fetch` does not allow. */
function statusUnder(host: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url + path, { headers: { host } }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

/** The whole answer to a request that is sent as it is. */
function rawStatus(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(admin.port, '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.includes('\r\n\r\n') && answer.endsWith('\n')) socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

async function readiness() {
  const { status, text } = await get('/readyz');
  return [status, JSON.parse(text)];
}

describe('the admin port', () => {
  it('tells that the process is up', async () => {
    expect((await get('/healthz')).status).toBe(200);
  });

  it('is ready when every check passes', async () => {
    admin.addCheck('nats', async () => {});
    admin.addCheck('postgres', async () => 'anything');
    expect(await readiness()).toEqual([200, { status: 'ready', checks: { nats: 'ok', postgres: 'ok' } }]);
  });

  it('is not ready when one check fails, and names it without its secrets', async () => {
    admin.addCheck('nats', async () => {});
    admin.addCheck('postgres', () => Promise.reject(new Error('no route to postgres://u:PLANTED@db')));
    admin.addCheck('lazy', () => {
      throw new Error('thrown at once');
    });
    expect(await readiness()).toEqual([
      503,
      {
        status: 'not ready',
        checks: { nats: 'ok', postgres: 'no route to postgres://[redacted]@db', lazy: 'thrown at once' },
      },
    ]);
    expect((await get('/healthz')).status).toBe(200);
  });

  // Those that wait do so side by side, with a server of their own.
  it.concurrent('takes a check that does not answer for a failed one', async () => {
    const waiting = newAdmin();
    waiting.addCheck('nats', () => new Promise(() => {}));
    const { port } = await waiting.start();
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    const verdict = { status: 'not ready', checks: { nats: 'no answer within 2000 ms' } };
    expect([answer.status, await answer.json()]).toEqual([503, verdict]);
    await waiting.stop();
  });

  it('is not ready while draining', async () => {
    admin.drain();
    expect(await readiness()).toEqual([503, { status: 'draining', checks: {} }]);
    expect((await get('/healthz')).status).toBe(200);
  });

  it('serves metrics and outputs', async () => {
    const metrics = await get('/metrics?name=x');
    expect(metrics.text).toBe('hearth_up 1\n');
    expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(JSON.parse((await get('/info')).text)).toEqual({ version: '1.2.3' });
  });

  it('knows nothing else, and no other method', async () => {
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics/x')).status).toBe(404);
    const post = await get('/info', { method: 'POST', body: '{}' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const head = await get('/info', { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('serves the paths that a service adds', async () => {
    admin.addRoute({
      method: 'GET',
      path: /^\/things\/(\w+)$/,
      answer: async ([name], query) => ({ status: 200, body: { name, page: query.get('page') } }),
    });
    admin.addRoute({ method: 'POST', path: /^\/things$/, answer: async () => ({ status: 202, body: {} }) });
    const thing = await get('/things/a?page=2');
    expect([thing.status, JSON.parse(thing.text)]).toEqual([200, { name: 'a', page: '2' }]);
    expect((await get('/things', { method: 'POST' })).status).toBe(202);
    const wrong = await get('/things', { method: 'PUT' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await get('/things/a/b')).status).toBe(404);
  });

  it('does nothing that a web page asks for', async () => {
    let done = 0;
    const answer = async () => ({ status: 200, body: { done: ++done } });
    admin.addRoute({ method: 'POST', path: /^\/do$/, answer });
    const headers = { origin: 'https://example.com' };
    expect((await get('/do', { method: 'POST', headers })).status).toBe(403);
    expect(done).toBe(0);
  });

  it.each([
    ...['localhost', 'LOCALHOST:9090', '127.0.0.1:1', '[::1]:9090', 'gateway:9090', 'gateway-1.gateway.default.svc'],
    ...['gateway.default.svc.cluster.local', 'a.internal.', 'node.example.com', 'node.example.com:9090'],
  ])('answers under the name %s', async (host) => {
    expect(await statusUnder(host, '/healthz')).toBe(200);
  });

  it.each([
    'evil.example',
    'evil.example:9090',
    'localhost.evil.example',
    'a.svc.evil.example',
    'a.node.example.com',
    '127.0.0.1.nip.io',
  ])('tells nothing to a web page of %s, whose name points here', async (host) => {
    for (const path of ['/healthz', '/metrics', '/info', '/nothing']) expect(await statusUnder(host, path)).toBe(403);
  });

  it.each(['//healthz', '/%68ealthz', 'http://localhost:9090/healthz', 'HTTP://127.0.0.1//healthz?x'])(
    'takes every form of a target: %s',
    async (target) => expect(await rawStatus(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).toMatch(/ 200 /),
  );

  it('looks at the name in the target, too', async () => {
    const answer = await rawStatus('GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(answer).toMatch(/ 403 /);
  });

  it.each([
    ['', 400, 'Host'],
    ['Host: a\r\nHost: localhost\r\n', 400, 'Host'],
    ['Host: localhost\r\nExpect: x\r\n', 417, 'Expect'],
  ])('says what is wrong with a request: %j', async (headers, status, word) => {
    const answer = await rawStatus(`GET /healthz HTTP/1.1\r\n${headers}\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*\r\n\r\n[^]*${word}`));
  });

  it('has somebody look on when a token is shown', async () => {
    const answer = async () => ({ status: 200, body: {} });
    admin.addRoute({ method: 'GET', path: /^\/kept$/, isGuarded: true, answer });
    const seen: boolean[] = [];
    admin.guardedBy((_request, isRight) => {
      if (seen.length === 2) throw rateLimited('addressRefusals', 1_500);
      seen.push(isRight());
      return seen.at(-1) === true;
    });
    const ask = (given: string) => get('/kept', { headers: { authorization: `Bearer ${given}` } });
    expect((await ask('x')).status).toBe(401);
    expect((await ask(TOKEN)).status).toBe(200);
    const refused = await ask(TOKEN);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2']);
    expect(seen).toEqual([false, true]);
    await get('/healthz');
    expect(seen).toHaveLength(2);
  });

  it('keeps what is guarded for whoever has the token', async () => {
    admin.addRoute({
      method: 'GET',
      path: /^\/kept$/,
      isGuarded: true,
      answer: async () => ({ status: 200, body: {} }),
    });
    const status = async (authorization?: string) =>
      (await get('/kept', { headers: authorization === undefined ? {} : { authorization } })).status;
    expect(await Promise.all([status(), status('Bearer x'), status(`Bearer ${TOKEN}`)])).toEqual([401, 401, 200]);
    token = undefined;
    expect(await status(`Bearer ${TOKEN}`)).toBe(401);
  });

  it.concurrent('keeps nobody who says nothing, or not enough', async () => {
    const patient = newAdmin();
    const { port } = await patient.start();
    const ends = [
      '',
      'GET /healthz HTTP/1.1\r\n',
      'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na',
    ].map(async (begun) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(begun)).resume();
      await once(socket, 'close');
    });
    await Promise.all(ends);
    await patient.stop();
  });

  it('tells when there is no such address', async () => {
    const nowhere = new AdminServer({
      host: 'no.such.host.invalid',
      port: 0,
      metrics: async () => '',
      info: () => ({}),
    });
    await expect(nowhere.start()).rejects.toThrow(/^HEARTH_ADMIN_HOST: cannot listen on "no\.such\.host\.invalid" \(/);
  });

  it('tells when its port is taken', async () => {
    const { port } = new URL(url);
    const second = new AdminServer({
      host: '127.0.0.1',
      port: Number(port),
      metrics: async () => '',
      info: () => ({}),
    });
    await expect(second.start()).rejects.toThrow(/^HEARTH_ADMIN_PORT: port \d+ of 127\.0\.0\.1 is in use already/);
  });
});
