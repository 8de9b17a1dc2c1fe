import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { signToken } from '../support/tokens';
import { connect, WsClient } from '../support/ws-client';
import { connectToken, SECRET, subscribeToken } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const refused = (status: number, code: string) => ({
  status,
  body: expect.stringMatching(
    new RegExp(`^{"message":"[A-Z][A-Za-z ]+","error":{"code":"${code}","message":"([^"\\\\]|\\\\.)+"}}$`),
  ) as string,
});

describe('who may connect (websocket-protocol §1.1)', () => {
  it('answers a usable token with hotsock.connected, byte by byte as specified', async () => {
    const client = await testbed.gateway.connect({ uid: 'u1', umd: { b: 1, a: 12.5 } });
    const { data } = await client.connected();
    expect(client.texts[0]).toBe(
      `{"event":"hotsock.connected","data":{"connectionId":"${data.connectionId}",` +
        `"connectionExpiresAt":"${data.connectionExpiresAt}","connectionSecret":"${data.connectionSecret}"},` +
        `"meta":{"uid":"u1","umd":{"b":1,"a":12.5}}}`,
    );
    expect(data.connectionId).toMatch(/^[A-Za-z0-9_-]{15}=$/);
    expect(data.connectionSecret).toMatch(/^[A-Za-z0-9]{20}$/);
    expect(data.connectionExpiresAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const lifetime = Date.parse(data.connectionExpiresAt) - Date.now();
    expect(lifetime).toBeGreaterThan(7_190_000);
    expect(lifetime).toBeLessThanOrEqual(7_200_000);
    await client.close();
  });

  it('gives null for a missing uid and umd', async () => {
    const client = await testbed.gateway.connect({ uid: '' });
    expect((await client.connected()).meta).toEqual({ uid: null, umd: null });
    await client.close();
  });

  it('accepts the paths it is told to, and then no others', async () => {
    const gateway = await testbed.anotherGateway({ wsPaths: ['/socket'] });
    const open = (path: string) => WsClient.open(gateway.httpUrl.replace('http', 'ws') + path, connectToken());
    const client = await open('/socket');
    expect(await client.connected()).toMatchObject({ event: 'hotsock.connected' });
    await client.close();
    await expect(open('/v1')).rejects.toMatchObject({ status: 404 });
  });

  it.each(['/', '/v1', '/v1/', '//v1', '///', '/%76%31'])('accepts the path %s', async (path) => {
    const client = await connect(testbed.gateway.wsUrl.replace('/v1', path), connectToken());
    expect(await client.close()).toEqual({ code: 1000, reason: '' });
  });

  it.each([
    ['no token', undefined, 401, 'INVALID_CONNECT_TOKEN'],
    ['an empty token', '', 401, 'INVALID_CONNECT_TOKEN'],
    ['text that is no token', 'abc', 401, 'INVALID_CONNECT_TOKEN'],
    ['a wrong signature', signToken({ scope: 'connect' }, { secret: 'other' }), 401, 'INVALID_CONNECT_TOKEN'],
    [
      'another algorithm',
      signToken({ scope: 'connect' }, { secret: SECRET, alg: 'HS512' }),
      401,
      'INVALID_CONNECT_TOKEN',
    ],
    ['an expired token', connectToken({ exp: 1 }), 401, 'INVALID_CONNECT_TOKEN'],
    ['a token that is not valid yet', connectToken({ nbf: 4e9, exp: 5e9 }), 401, 'INVALID_CONNECT_TOKEN'],
    ['an invalid claim', connectToken({ uid: 5 }), 401, 'INVALID_CONNECT_TOKEN'],
    ['an invalid pattern', connectToken({ channels: { '#regex:[': {} } }), 401, 'INVALID_CONNECT_TOKEN'],
    ['a single-use token without jti', connectToken({ singleUse: true }), 401, 'INVALID_CONNECT_TOKEN'],
    ['the scope subscribe', subscribeToken(), 403, 'INVALID_CONNECT_TOKEN'],
    ['a token for another connection', connectToken({ connectionId: 'x' }), 403, 'INVALID_CONNECT_TOKEN'],
  ])('refuses %s', async (_what, token, status, code) => {
    await expect(WsClient.open(testbed.gateway.wsUrl, token)).rejects.toMatchObject(refused(status, code));
  });

  it('takes the token from the query only', async () => {
    const headers = { Authorization: `Bearer ${connectToken()}`, Cookie: `token=${connectToken()}` };
    await expect(WsClient.open(testbed.gateway.wsUrl, undefined, headers)).rejects.toMatchObject({ status: 401 });
  });

  it('accepts a token of 32 KiB', async () => {
    const channels = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`channel.${n}`, { subscribe: true }]));
    const token = connectToken({ channels, padding: 'x'.repeat(4_000) });
    expect(token.length).toBeGreaterThan(24_000);
    await (await connect(testbed.gateway.wsUrl, token)).close();
  });

  it('answers 404 on other paths, 426 to what is no upgrade, and leaves other paths alone', async () => {
    await expect(WsClient.open(testbed.gateway.wsUrl.replace('v1', 'v2'), connectToken())).rejects.toMatchObject(
      refused(404, 'NOT_FOUND'),
    );
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await fetch(`${testbed.gateway.httpUrl}/v1?token=x`, { method });
      expect(answer.status).toBe(426);
      expect(answer.headers.get('upgrade')).toBe('websocket');
      expect({ status: 426, body: await answer.text() }).toEqual(refused(426, 'UPGRADE_REQUIRED'));
    }
    expect((await fetch(`${testbed.gateway.httpUrl}/v2`)).status).toBe(404);
  });

  it('answers what is no upgrade to the end, for a client that keeps no connection', async () => {
    const { port, hostname } = new URL(testbed.gateway.httpUrl);
    const socket = connectTcp(Number(port), hostname, () => socket.write('GET /v1 HTTP/1.0\r\nHost: x\r\n\r\n'));
    await once(socket.resume(), 'close');
  });

  it.each(['Sec-WebSocket-Extensions: permessage-deflate', 'TE: trailers'])(
    'answers in the same words, whoever reads the handshake (%s)',
    async (header) => {
      const { head } = await rawHandshake(connectToken(), header);
      expect(head.split('\r\n')).toEqual([
        'HTTP/1.1 101 Switching Protocols',
        'Upgrade: websocket',
        'Connection: Upgrade',
        // Of the key in RFC 6455 §1.3.
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      ]);
    },
  );

  it('does not echo an offered subprotocol or extension', async () => {
    const socket = new WebSocket(`${testbed.gateway.wsUrl}?token=${connectToken()}`, ['x'], {
      perMessageDeflate: true,
    });
    const error = await new Promise<Error>((resolve) => socket.on('error', resolve));
    expect(error.message).toBe('Server sent no subprotocol');
    const plain = await connect(testbed.gateway.wsUrl, connectToken());
    expect(plain.socket.extensions).toBe('');
    await plain.close();
  });
});

describe('single-use tokens (tokens-and-claims §2.1)', () => {
  it('lets exactly one of 100 uses at the same time on two gateways in', async () => {
    const other = await testbed.anotherGateway();
    const token = connectToken({ singleUse: true, jti: 'once' });
    const attempts = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => WsClient.open((n % 2 ? other : testbed.gateway).wsUrl, token)),
    );
    const winners = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    const losers = attempts.filter((attempt) => attempt.status === 'rejected').map(({ reason }) => reason);
    expect(new Set(losers.map((reason) => reason.status))).toEqual(new Set([403]));
    await winners[0]?.value.close();
  });

  it('does not use a token up that is refused for another reason', async () => {
    const jti = 'refused-first';
    const early = connectToken({ singleUse: true, jti, nbf: Math.floor(Date.now() / 1_000) + 2 });
    await expect(WsClient.open(testbed.gateway.wsUrl, early)).rejects.toMatchObject({ status: 401 });
    const token = connectToken({ singleUse: true, jti });
    for (const [header, status, code] of [
      ['Sec-WebSocket-Key: bad', 400, 'MALFORMED_MESSAGE'],
      ['Sec-WebSocket-Version: 12', 426, 'UPGRADE_REQUIRED'],
    ] as const) {
      const { head, body } = await rawHandshake(token, header);
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect({ status, body }).toEqual(refused(status, code));
    }
    await (await connect(testbed.gateway.wsUrl, token)).close();
  });

  it.each([
    'Sec-WebSocket-Protocol: a,,b',
    'Sec-WebSocket-Protocol: a, a',
    'Sec-WebSocket-Protocol:',
    'Sec-WebSocket-Protocol: @',
    'Sec-WebSocket-Extensions: permessage-deflate; =',
    'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99',
  ])('does not lose a token to what is only offered (%s)', async (offer) => {
    const { head } = await rawHandshake(connectToken({ singleUse: true, jti: offer }), offer);
    expect(head).toMatch(/^HTTP\/1.1 101 /);
    expect(head).not.toMatch(/sec-websocket-(protocol|extensions)/i);
  });

  it('refuses with 503 while Postgres is away, and only those tokens', async () => {
    const alone = await testbed.anotherGateway();
    const broken = await testbed.anotherGateway();
    await broken.losePostgres();
    await expect(WsClient.open(broken.wsUrl, connectToken({ singleUse: true, jti: 'away' }))).rejects.toMatchObject(
      refused(503, 'SERVICE_UNAVAILABLE'),
    );
    await (await connect(broken.wsUrl, connectToken())).close();
    await (await connect(alone.wsUrl, connectToken({ singleUse: true, jti: 'away' }))).close();
  });
});

describe('limits', () => {
  it('answers 503 at the highest number of connections, until one leaves', async () => {
    const gateway = await testbed.anotherGateway({ maxConnections: 2 });
    const [first] = [await gateway.connect(), await gateway.connect()];
    await expect(WsClient.open(gateway.wsUrl, connectToken())).rejects.toMatchObject(
      refused(503, 'SERVICE_UNAVAILABLE'),
    );
    await first.close();
    await eventually(async () => void (await gateway.connect()));
  });

  it('lets only allowed origins in, where such are configured', async () => {
    const gateway = await testbed.anotherGateway({
      wsOrigins: ['https://ok.example', 'https://*.apps.example', 'capacitor://localhost', 'null'],
    });
    const from = (Origin: string) => WsClient.open(gateway.wsUrl, connectToken(), { Origin });
    await (await from('https://ok.example')).close();
    for (const origin of ['https://a.b.apps.example', 'capacitor://localhost', 'null'])
      await (await from(origin)).close();
    for (const Origin of ['https://a.apps.example', 'https://evil.example', 'capacitor://localhost']) {
      const session = `${gateway.httpUrl}//socket.io/?EIO=4&transport=polling`;
      const { status, headers } = await fetch(session, { headers: { Origin } });
      const isAllowed = !Origin.includes('evil');
      expect([status, headers.get('access-control-allow-origin')]).toEqual([200, isAllowed ? Origin : null]);
    }
    await expect(from('https://evil.example')).rejects.toMatchObject({ status: 403 });
    await (await gateway.connect()).close();
  });
});

describe('a refusal that a browser can read (closeReason=1, limits §6)', () => {
  /** How the connection ends, and what came before. */
  async function closeOf(query: string, url = testbed.gateway.wsUrl, headers?: Record<string, string>) {
    const client = await WsClient.open(`${url}?${query}`, undefined, headers);
    return { ...(await client.closed), frames: client.frames.length };
  }
  const refusal = (code: number, reason = 'INVALID_CONNECT_TOKEN') => ({ code, reason, frames: 0 });
  const count = () => testbed.gateway.metrics.connections.of('websocket').value;

  it.each([
    ['no token', '', 4401],
    ['a bad token', '&token=abc', 4401],
    ['an expired token', `&token=${connectToken({ exp: 1 })}`, 4401],
    ['no scope', `&token=${subscribeToken()}`, 4403],
    ['a token for another connection', `&token=${connectToken({ connectionId: 'x' })}`, 4403],
  ])('of %s is a close with the code', async (_what, token, code) => {
    const before = count();
    expect(await closeOf(`closeReason=1${token}`)).toEqual(refusal(code));
    expect(count()).toBe(before);
  });

  it('of a used token is one, too, and uses nothing up', async () => {
    const used = connectToken({ singleUse: true, jti: 'explained' });
    const full = await testbed.anotherGateway({ maxConnections: 1 });
    const holder = await full.connect();
    expect(await closeOf(`closeReason=1&token=${used}`, full.wsUrl)).toEqual(refusal(1013, 'SERVICE_UNAVAILABLE'));
    await holder.close();
    await (await connect(testbed.gateway.wsUrl, used)).close();
    expect(await closeOf(`token=${used}&closeReason=1`)).toEqual(refusal(4403));
  });

  it('of an origin is one, too', async () => {
    const gateway = await testbed.anotherGateway({ wsOrigins: ['https://ok.example'] });
    const headers = { Origin: 'https://evil.example' };
    const closing = closeOf(`closeReason=1&token=${connectToken()}`, gateway.wsUrl, headers);
    expect(await closing).toEqual(refusal(4403, 'UNAUTHORIZED'));
  });

  it('is an answer over HTTP for any other value, and for what is no handshake', async () => {
    for (const query of ['closeReason=0', 'closeReason=', 'closeReason=true', 'closeReason=11', 'closereason=1']) {
      await expect(WsClient.open(`${testbed.gateway.wsUrl}?${query}&token=x`)).rejects.toMatchObject({ status: 401 });
    }
    const elsewhere = WsClient.open(testbed.gateway.wsUrl.replace('v1', 'v2?closeReason=1'));
    await expect(elsewhere).rejects.toMatchObject({ status: 404 });
    expect((await fetch(`${testbed.gateway.httpUrl}/v1?closeReason=1`)).status).toBe(426);
  });

  it('changes nothing for who is let in', async () => {
    const client = await WsClient.open(`${testbed.gateway.wsUrl}?token=${connectToken()}&closeReason=1`);
    expect((await client.connected()).event).toBe('hotsock.connected');
    await client.close();
  });
});

it('never writes a token or a secret to its log', async () => {
  const token = connectToken({ uid: 'logged' });
  const client = await connect(testbed.gateway.wsUrl, token);
  const { connectionSecret } = (await client.connected()).data;
  await expect(WsClient.open(testbed.gateway.wsUrl, `${token}x`)).rejects.toMatchObject({ status: 401 });
  await client.close();
  const log = testbed.gateway.log.join('\n');
  expect(log).toContain('a handshake was refused');
  for (const secret of [token, token.split('.')[2], connectionSecret]) expect(log).not.toContain(secret);
});

/** A handshake with a header instead of, or beside, those it needs; gives the answer. */
function rawHandshake(token: string, header: string): Promise<{ head: string; body: string }> {
  const { hostname, port } = new URL(testbed.gateway.httpUrl);
  const needed = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  const [name = ''] = header.split(':', 1);
  const headers = ['Host: x', 'Connection: Upgrade', 'Upgrade: websocket', header];
  headers.push(...needed.filter((each) => !each.startsWith(name)));
  return new Promise((resolve, reject) => {
    const socket = connectTcp(Number(port), hostname, () => {
      socket.write(`GET /v1?token=${token} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    });
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.startsWith('HTTP/1.1 101 ')) socket.destroy();
    });
    socket.on('close', () => {
      const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
      resolve({ head, body });
    });
    socket.on('error', reject);
  });
}
