import { BlockList } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { connectToken, GatewayUnderTest } from '../gateway/gateway-under-test';
import { startTestbed, type Testbed } from '../gateway/testbed';
import { eventually } from '../support/eventually';
import { rawExchange } from '../publish-api/publish-api';
import { TcpProxy } from '../support/tcp-proxy';
import { HandshakeRefused, WsClient } from '../support/ws-client';

/** What users and addresses may do at the doors of gateways (limits §2, §3, §6). */

let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed({ limitUidConnections: 2 });
});
afterAll(() => testbed?.stop());

/** Addresses of this machine count like any other. */
const NOBODY = new BlockList();

async function refusal(gateway: GatewayUnderTest, token: string | undefined): Promise<HandshakeRefused> {
  const refused = await WsClient.open(gateway.wsUrl, token).catch((error: unknown) => error);
  // Whoever tries again must not count twice.
  if (refused instanceof WsClient) await refused.close();
  expect(refused).toBeInstanceOf(HandshakeRefused);
  return refused as HandshakeRefused;
}

const errorOf = ({ body }: HandshakeRefused) => (JSON.parse(body) as { error: Record<string, unknown> }).error;

describe('connections of a user', () => {
  it('have a cap over all gateways; one that ends makes room (L10)', async () => {
    const [here, there] = [testbed.gateway, await testbed.anotherGateway({ limitUidConnections: 2 })];
    const first = await here.connect({ uid: 'u' });
    await there.connect({ uid: 'u' });
    for (const gateway of [here, there]) {
      const refused = await eventually(() => refusal(gateway, connectToken({ uid: 'u' })));
      expect(refused.status).toBe(429);
      expect(refused.headers['retry-after']).toBe('10');
      expect(errorOf(refused)).toEqual({
        code: 'LIMIT_REACHED',
        message: expect.any(String),
        limit: 'uidConnections',
        max: 2,
      });
    }
    await here.connect({ uid: 'somebody else' });
    await here.connect();
    await first.close();
    await eventually(() => there.connect({ uid: 'u' }));
    await eventually(async () => {
      const asked = await WsClient.open(`${here.wsUrl}?closeReason=1&token=${connectToken({ uid: 'u' })}`);
      const closed = await Promise.race([asked.closed, delay(1_000)]);
      // It is let in until this gateway has heard of the other.
      if (closed === undefined) await asked.close();
      expect(closed).toEqual({ code: 4429, reason: 'LIMIT_REACHED' });
    });
  });

  it('are not forgotten by a gateway that hears nothing of the others, because it does not reach NATS', async () => {
    const road = await TcpProxy.start(Number(new URL(testbed.servers.natsUrl).port));
    const servers = { ...testbed.servers, natsUrl: `nats://127.0.0.1:${road.port}` };
    const cutOff = await GatewayUnderTest.start(servers, { limitUidConnections: 1 });
    try {
      await testbed.gateway.connect({ uid: 'elsewhere' });
      await eventually(() => refusal(cutOff, connectToken({ uid: 'elsewhere' })));
      road.lose();
      road.cut();
      await eventually(() => expect(cutOff.stream.isConnected).toBe(false));
      // For longer than somebody is remembered who is not heard.
      await delay(11_000);
      await refusal(cutOff, connectToken({ uid: 'elsewhere' }));
    } finally {
      road.find();
      road.cut();
      await cutOff.stop();
      await road.stop();
    }
  });

  it('that are refused use no single-use token up', async () => {
    const token = connectToken({ uid: 'once', jti: 'j', singleUse: true });
    const others = [await testbed.gateway.connect({ uid: 'once' }), await testbed.gateway.connect({ uid: 'once' })];
    expect((await refusal(testbed.gateway, token)).status).toBe(429);
    await others[0]?.close();
    await eventually(() => WsClient.open(testbed.gateway.wsUrl, token));
  });

  it('have another cap by the claim uidConnections', async () => {
    await testbed.gateway.connect({ uid: 'claimed', limits: { uidConnections: 1 } });
    const refused = await refusal(testbed.gateway, connectToken({ uid: 'claimed', limits: { uidConnections: 1 } }));
    expect(errorOf(refused)).toMatchObject({ limit: 'uidConnections', max: 1 });
    await testbed.gateway.connect({ uid: 'claimed' });
    await testbed.gateway.connect({ uid: 'claimed', limits: { uidConnections: -1 } });
    expect((await refusal(testbed.gateway, connectToken({ uid: 'x', limits: { uidConnections: 0 } }))).status).toBe(
      429,
    );
  });
});

it('handshakes of a user have a rate, which wrong tokens do not use up', async () => {
  const gateway = await testbed.anotherGateway({ limitUidHandshakes: { perSecond: 0.01, burst: 2 } });
  await refusal(gateway, connectToken({ uid: 'v', exp: 1 }));
  for (let n = 0; n < 2; n++) await (await gateway.connect({ uid: 'v' })).close();
  const refused = await refusal(gateway, connectToken({ uid: 'v' }));
  expect(refused.status).toBe(429);
  expect(errorOf(refused)).toMatchObject({ code: 'RATE_LIMITED', limit: 'uidHandshakes' });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  await gateway.connect({ uid: 'w' });
});

it.each([
  ['any', [3, 3, 1, 0]],
  ['narrow', [2, 2, 1, 0]],
  ['ignore', [2, 2, 2, 2]],
] as const)('the claim limits of a token means as much as HEARTH_LIMIT_CLAIMS says: %s', async (limitClaims, most) => {
  const gateway = await testbed.anotherGateway({
    limitClaims,
    limitConnectionSubscriptions: 2,
    limitConnectionPresence: { perSecond: 0.001, burst: 2 },
  });
  const channels = { '*': { subscribe: true } };
  /** Of three subscribes, and of three changes of umd, those that no limit refuses. */
  const passing = async (limit: number, presence: unknown): Promise<number[]> => {
    const client = await gateway.connect({ channels, limits: { subscriptions: limit, presence } });
    for (const channel of ['a', 'b', 'c']) client.send({ event: 'hotsock.subscribe', channel });
    for (let n = 0; n < 3; n++) client.send({ event: 'hotsock.umdUpdate', data: { token: 'x' } });
    client.send({ event: 'hotsock.ping' });
    await client.next('hotsock.pong');
    const refused = (limit: string) => client.frames.filter(({ error }) => error?.limit === limit).length;
    return [3 - refused('connectionSubscriptions'), 3 - refused('connectionPresence')];
  };
  const passed = [];
  for (const limit of [-1, 5, 1, 0]) passed.push(await passing(limit, limit === 1 ? [0.001, 1] : limit));
  expect(passed).toEqual(most.map((count) => [count, count]));
});

it('connections of an address have a cap', async () => {
  const gateway = await testbed.anotherGateway({ limitAddressConnections: 2, limitAddressExempt: NOBODY });
  const [first] = [await gateway.connect({ uid: 'a' }), await gateway.connect({ uid: 'b' })];
  const refused = await refusal(gateway, connectToken({ uid: 'c' }));
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '10']);
  expect(errorOf(refused)).toMatchObject({ code: 'LIMIT_REACHED', limit: 'addressConnections', max: 2 });
  await first.close();
  await eventually(() => gateway.connect({ uid: 'c' }));
});

it.each(['/v1', '/socket.io/?EIO=4&transport=websocket', '/socket.io/?EIO=4&transport=polling'])(
  'two Hosts are refused at %s (RFC 9112 §3.2)',
  async (path) => {
    const handshake = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    const headers = ['Host: a', 'Host: b', ...(path.includes('polling') ? [] : handshake)];
    const { port } = new URL(testbed.gateway.httpUrl);
    const answer = await rawExchange(
      Number(port),
      `GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`,
      () => false,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*"code":"MALFORMED_MESSAGE"/);
  },
);

it.each(['/v1', '/socket.io/?EIO=4&transport=polling'])(
  'many headers at %s take none of those away that a proxy adds behind them',
  async (path) => {
    const gateway = await testbed.anotherGateway({
      limitAddressHandshakes: { perSecond: 0.01, burst: 1 },
      trustedProxies: ['127.0.0.0/8'],
    });
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const from = (others: number) => {
      const headers = ['Host: a', ...(path === '/v1' ? [...upgrade, key] : []), ...Array<string>(others).fill('a: b')];
      const head = `GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n`;
      return rawExchange(Number(new URL(gateway.httpUrl).port), head, (answer) => answer.includes('\r\n\r\n'));
    };
    const statuses = [];
    for (const others of [0, 0, 500, 2_500]) statuses.push((await from(others)).split(' ')[1]);
    expect(statuses).toEqual([path === '/v1' ? '401' : '200', '429', '429', '431']);
  },
);

it('handshakes of an address have a rate: upgrades, sessions of Socket.IO and their CONNECTs', async () => {
  const gateway = await testbed.anotherGateway({
    limitAddressHandshakes: { perSecond: 0.01, burst: 4 },
    limitAddressExempt: NOBODY,
  });
  await gateway.connect({ uid: 'a1' });
  const socket = io(gateway.httpUrl, {
    auth: { token: connectToken({ uid: 'a2' }) },
    transports: ['websocket'],
    reconnection: false,
  });
  await eventually(() => expect(socket.connected).toBe(true));
  socket.disconnect();
  await refusal(gateway, 'nonsense');
  const refused = await refusal(gateway, 'nonsense');
  // Its token is not looked at any more.
  expect([refused.status, errorOf(refused).limit]).toEqual([429, 'addressHandshakes']);
  const upgrade = await WsClient.open(`${gateway.wsUrl.replace('/v1', '')}/socket.io/?EIO=4&transport=websocket`).catch(
    (error: unknown) => error,
  );
  expect(upgrade).toMatchObject({ status: 429, headers: { 'retry-after': expect.any(String) } });
  for (const session of ['', '&sid=', '&sid']) {
    const polling = await fetch(`${gateway.httpUrl}/socket.io/?EIO=4&transport=polling${session}`);
    expect(polling.status).toBe(429);
    expect(Number(polling.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  }
});

it('requests of an address have a rate, but those of a Socket.IO session that is a connection do not count', async () => {
  const gateway = await testbed.anotherGateway({
    limitAddressRequests: { perSecond: 0.01, burst: 5 },
    limitAddressExempt: NOBODY,
  });
  const url = `${gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1));
  const session = `${url}&sid=${sid}`;
  await fetch(session, { method: 'POST', body: `40${JSON.stringify({ token: connectToken() })}` });
  expect(await (await fetch(session)).text()).toContain('hotsock.connected');
  for (let n = 0; n < 20; n++) await fetch(session, { method: 'POST', body: '42["hotsock.ping",{}]' });
  expect(gateway.metrics.limited.of('addressRequests').of('delayed').value).toBe(0);
  const none = ['constructor', '__proto__', 'toString', 'x', 'y', 'z'];
  const others = await Promise.all(none.map((sid) => fetch(`${url}&sid=${sid}`)));
  expect(others.map(({ status }) => status)).toContain(429);
  expect(gateway.metrics.limited.of('addressRequests').of('refused').value).toBeGreaterThan(0);
});

it('requests of a handshake over long-polling do not count, others of a session that shows no token do', async () => {
  const gateway = await testbed.anotherGateway({
    limitAddressRequests: { perSecond: 0.01, burst: 1 },
    limitAddressExempt: NOBODY,
  });
  const url = `${gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;
  const open = async () => `${url}&sid=${JSON.parse((await (await fetch(url)).text()).slice(1)).sid}`;
  for (let n = 0; n < 5; n++) {
    const session = await open();
    await fetch(session, { method: 'POST', body: `40${JSON.stringify({ token: connectToken() })}` });
    expect(await (await fetch(session)).text()).toContain('hotsock.connected');
  }
  await gateway.connect();
  const session = await open();
  const statuses = [];
  for (let n = 0; n < 5; n++) statuses.push((await fetch(session, { method: 'POST', body: '3' })).status);
  expect(statuses).toEqual([200, 200, 200, 200, 429]);
  // A WebSocket is no request, and so gives none back.
  await WsClient.open(session.replace('http', 'ws').replace('polling', 'websocket'));
  expect((await fetch(url)).status).toBe(429);
});

it('wrong credentials of an address have a rate; past it no token is looked at', async () => {
  const gateway = await testbed.anotherGateway({
    limitAddressRefusals: { perSecond: 0.01, burst: 2 },
    limitAddressExempt: NOBODY,
  });
  await gateway.connect({ uid: 'good' });
  for (let n = 0; n < 2; n++) expect((await refusal(gateway, 'nonsense')).status).toBe(401);
  const refused = await refusal(gateway, connectToken({ uid: 'good' }));
  expect([refused.status, errorOf(refused).limit]).toEqual([429, 'addressRefusals']);
});

it('addresses are counted by those that proxies tell of, an IPv6 /64 as one', async () => {
  const gateway = await testbed.anotherGateway({
    limitAddressConnections: 1,
    limitAddressExempt: NOBODY,
    trustedProxies: ['127.0.0.0/8'],
  });
  const from = (address: string) => WsClient.open(gateway.wsUrl, connectToken(), { 'x-forwarded-for': address });
  await from('2001:db8::1');
  await expect(from('2001:db8::2')).rejects.toMatchObject({ status: 429 });
  await from('2001:db8:0:1::1');
  await from('192.0.2.1');
  await expect(from('192.0.2.1')).rejects.toMatchObject({ status: 429 });
});

it('private addresses are exempt unless told otherwise', async () => {
  const gateway = await testbed.anotherGateway({
    limitAddressHandshakes: { perSecond: 0.01, burst: 1 },
    trustedProxies: ['127.0.0.0/8'],
  });
  const from = (address: string) => WsClient.open(gateway.wsUrl, connectToken(), { 'x-forwarded-for': address });
  for (const address of ['10.0.0.1', '192.168.0.1', 'fd00::1', '203.0.113.9']) {
    await from(address);
    const again = from(address);
    // Else nobody would be refused here.
    if (address === '203.0.113.9') await expect(again).rejects.toMatchObject({ status: 429 });
    else await again;
  }
});
