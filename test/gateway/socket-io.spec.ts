import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { eventually } from '../support/eventually';
import { type Frame, WsClient } from '../support/ws-client';
import { connectToken, EVERYTHING, type GatewayUnderTest, subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** The Socket.IO transport (websocket-protocol §11), with the client that users have. */
let testbed: Testbed;
const open: Socket[] = [];

beforeAll(async () => {
  testbed = await startTestbed();
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.disconnect();
});
afterAll(() => testbed?.stop());

class IoClient {
  readonly received: (readonly [event: string, frame: Frame, ...more: unknown[]])[] = [];
  readonly disconnected: Promise<string>;

  constructor(readonly socket: Socket) {
    open.push(socket);
    socket.onAny((event: string, ...args: unknown[]) => this.received.push([event, args[0], ...args.slice(1)]));
    this.disconnected = new Promise((resolve) => socket.on('disconnect', resolve));
  }

  frame(event: string, skip = 0): Promise<Frame> {
    return eventually(() => {
      const found = this.received.filter(([name]) => name === event)[skip];
      if (found === undefined) throw new Error(`no ${event} among ${JSON.stringify(this.received)}`);
      return found[1];
    });
  }

  subscribe(channel: string, data?: object): Promise<Frame> {
    return this.socket.emitWithAck('hotsock.subscribe', { channel, data });
  }
}

function client(options: Partial<ManagerOptions & SocketOptions>): IoClient {
  return new IoClient(
    io(testbed.gateway.httpUrl, { transports: ['websocket'], forceNew: true, reconnection: false, ...options }),
  );
}

async function connected(options: Partial<ManagerOptions & SocketOptions>): Promise<IoClient> {
  const made = client(options);
  await made.frame('hotsock.connected');
  return made;
}

describe.each([['websocket'], ['polling']])('over %s', (transport) => {
  const transports = [transport];

  it('connects with the token of the auth payload and gets hotsock.connected first', async () => {
    const made = await connected({ transports, auth: { token: connectToken({ uid: 'u1', umd: { a: 1 } }) } });
    expect(made.received[0]).toEqual([
      'hotsock.connected',
      {
        event: 'hotsock.connected',
        data: {
          connectionId: expect.stringMatching(/^[\w-]{15}=$/),
          connectionExpiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          connectionSecret: expect.stringMatching(/^[A-Za-z0-9]{20}$/),
        },
        meta: { uid: 'u1', umd: { a: 1 } },
      },
    ]);
  });

  it('connects with the token of the query', async () => {
    const made = await connected({ transports, query: { token: connectToken({ uid: 'q' }) } });
    expect(await made.frame('hotsock.connected')).toMatchObject({ meta: { uid: 'q' } });
  });

  it.each([
    ['no token', {}, 'INVALID_CONNECT_TOKEN', /required/],
    ['a token that is not a string', { token: 5 }, 'INVALID_CONNECT_TOKEN', /string/],
    ['a token that is not one', { token: 'garbage' }, 'INVALID_CONNECT_TOKEN', /token/],
    ['the wrong scope', { token: connectToken({ scope: 'subscribe' }) }, 'INVALID_CONNECT_TOKEN', /scope/],
  ])('refuses %s with connect_error', async (_what, auth, code, message) => {
    const made = client({ transports, auth });
    const error: Frame = await new Promise((resolve) => made.socket.on('connect_error', resolve));
    expect(error.data).toEqual({ code, message: expect.stringMatching(message) });
    expect(made.received).toEqual([]);
  });

  it.each([['native'], ['Socket.IO']])('refuses with connect_error when %s clients fill the gateway', async (kind) => {
    const gateway = await testbed.anotherGateway({ maxConnections: 2 });
    const options = { transports, forceNew: true, reconnection: false, auth: { token: connectToken() } };
    const native = kind === 'native' ? [await gateway.connect(), await gateway.connect()] : [];
    const others = kind === 'native' ? [] : [0, 1].map(() => new IoClient(io(gateway.httpUrl, options)));
    for (const other of others) await other.frame('hotsock.connected');
    const third = new IoClient(io(gateway.httpUrl, options));
    const error: Frame = await new Promise((resolve) => third.socket.on('connect_error', resolve));
    expect(error.data).toEqual({ code: 'SERVICE_UNAVAILABLE', message: 'too many connections' });
    await native[0]?.close();
    others[0]?.socket.disconnect();
    await eventually(async () => {
      if (!third.socket.connected) third.socket.connect();
      await third.frame('hotsock.connected');
    });
    await native[1]?.close();
  });

  it('stays connected with pings off', async () => {
    const gateway = await testbed.anotherGateway({ wsPingSeconds: 0 });
    const auth = { token: connectToken() };
    const made = new IoClient(io(gateway.httpUrl, { transports, forceNew: true, reconnection: false, auth }));
    for (let n = 0; n < 50; n++) {
      const answer = made.socket.timeout(5_000).emitWithAck('hotsock.ping');
      expect(await Promise.race([answer, made.disconnected])).toEqual({ event: 'hotsock.pong', data: '{}' });
    }
  });

  it('subscribes, publishes and receives, and acknowledges each', async () => {
    const [a, b] = await Promise.all([
      connected({ transports, auth: { token: connectToken({ ...EVERYTHING, uid: 'a' }) } }),
      connected({ transports, auth: { token: connectToken({ channels: { c1: { subscribe: true } } }) } }),
    ]);
    const answer = { event: 'hotsock.subscribed', channel: 'c1', data: {}, meta: { uid: 'a', umd: null } };
    expect(await a.subscribe('c1')).toEqual(answer);
    expect(await a.frame('hotsock.subscribed')).toEqual(answer);
    await b.subscribe('c1');
    const accepted = await a.socket.emitWithAck('chat', { channel: 'c1', data: { n: 1 } });
    expect(accepted).toEqual({ id: null, event: 'chat', channel: 'c1' });
    expect(await b.frame('chat')).toEqual({
      id: expect.any(String),
      event: 'chat',
      channel: 'c1',
      data: { n: 1 },
      meta: { uid: 'a', umd: null },
    });
    const refused = await b.socket.emitWithAck('chat', { channel: 'c1' });
    expect(refused).toMatchObject({
      event: 'hotsock.error',
      channel: 'c1',
      error: { code: 'PUBLISH_PERMISSION_DENIED' },
    });
    expect(await b.frame('hotsock.error')).toEqual(refused);
  });

  it('delivers every message once and in order', async () => {
    const made = await connected({ transports, auth: { token: connectToken(EVERYTHING) } });
    await made.subscribe('busy');
    await Promise.all(Array.from({ length: 500 }, (_, n) => testbed.sequencer.publish('busy', n)));
    await made.frame('e', 499);
    expect(made.received.filter(([event]) => event === 'e').map(([, frame]) => frame.data)).toEqual(
      Array.from({ length: 500 }, (_, n) => n),
    );
  });

  it('ends with a disconnect when the server shuts down', async () => {
    const gateway = await testbed.anotherGateway();
    const made = new IoClient(
      io(gateway.httpUrl, { transports, forceNew: true, reconnection: false, auth: { token: connectToken() } }),
    );
    await made.frame('hotsock.connected');
    await gateway.stop();
    expect(await made.disconnected).toBe('transport close');
  });
});

describe('a client between two polls when the server shuts down', () => {
  const sessionUrl = (gateway: GatewayUnderTest) => `${gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;

  /** Connects, and keeps the poll that follows the first answer back until it is released. */
  async function betweenPolls(gateway: GatewayUnderTest): Promise<{ made: IoClient; poll: () => void }> {
    const made = new IoClient(
      io(gateway.httpUrl, {
        transports: ['polling'],
        forceNew: true,
        reconnection: false,
        auth: { token: connectToken() },
      }),
    );
    await made.frame('hotsock.connected');
    const { transport } = made.socket.io.engine as unknown as { transport: { doPoll: () => void } };
    const poll = transport.doPoll.bind(transport);
    const held = new Promise<void>((resolve) => (transport.doPoll = resolve));
    made.socket.emit('hotsock.ping');
    await held;
    return { made, poll };
  }

  it('gets the close with its next poll, while nobody opens a session any more', async () => {
    const gateway = await testbed.anotherGateway();
    const { made, poll } = await betweenPolls(gateway);
    let hasStopped = false;
    const stopped = gateway.stop().then(() => (hasStopped = true));
    // As an error of the transport: after one of the namespace a Socket.IO client does not try again.
    await eventually(async () => expect((await fetch(sessionUrl(gateway))).status).toBe(403));
    const upgrade = WsClient.open(sessionUrl(gateway).replace('http', 'ws').replace('polling', 'websocket'));
    await expect(upgrade).rejects.toMatchObject({ status: 400 });
    expect(hasStopped).toBe(false);
    poll();
    expect(await made.disconnected).toBe('transport close');
    await stopped;
  });

  it('is given up when it does not come back', async () => {
    const gateway = await testbed.anotherGateway();
    const { made, poll } = await betweenPolls(gateway);
    await gateway.stop();
    poll();
    expect(await made.disconnected).toBe('transport error');
  });
});

it('bounds the sessions that have not shown a token', async () => {
  const gateway = await testbed.anotherGateway({ maxConnections: 2 });
  const url = `${gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;
  const statuses = await Promise.all(Array.from({ length: 400 }, async () => (await fetch(url)).status));
  expect(new Set(statuses)).toEqual(new Set([200, 403]));
  expect(statuses.filter((status) => status === 200)).toHaveLength(2 + 256);
  // They take no place of those that have one to show.
  await (await gateway.connect()).close();
});

it('bounds what unfinished messages of all those sessions keep', async () => {
  const url = `${testbed.gateway.wsUrl.replace('/v1', '')}/socket.io/?EIO=4&transport=websocket`;
  const bytes = 120_000;
  /** Head of a text frame, with a mask of zeros. */
  const head = Buffer.concat([
    Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, bytes >> 16, bytes >> 8, bytes]),
    Buffer.alloc(4),
  ]);
  const gone = new Set<WebSocket>();
  const sessions = Array.from({ length: 300 }, () => {
    const session = new WebSocket(url).on('error', () => undefined);
    session.on('open', () => {
      const { _socket } = session as unknown as { _socket: Duplex };
      _socket.write(Buffer.concat([head, Buffer.alloc(bytes - 1, 'x')]));
    });
    // One that has not shown a token for too long is told so by a close.
    return session.on('close', (code) => code === 1006 && gone.add(session));
  });
  // 32 MiB are 279 of them.
  await eventually(() => expect(gone.size).toBeGreaterThanOrEqual(300 - 279));
  expect(gone.size).toBeLessThan(30);
  await connected({ auth: { token: connectToken({ channels: EVERYTHING }) } });
  for (const session of sessions) session.terminate();
});

it('stays connected through the change from polling to websocket, without a loss', async () => {
  const made = await connected({
    transports: ['polling', 'websocket'],
    auth: { token: connectToken(EVERYTHING) },
  });
  await made.subscribe('changing');
  let n = 0;
  const changed = new Promise<void>((resolve) => made.socket.io.engine.once('upgrade', () => resolve()));
  let hasChanged = made.socket.io.engine.transport.name === 'websocket';
  void changed.then(() => (hasChanged = true));
  while (!hasChanged || n < 50) await testbed.sequencer.publish('changing', n++);
  await made.frame('e', n - 1);
  expect(made.received.filter(([event]) => event === 'e').map(([, frame]) => frame.data)).toEqual(
    Array.from({ length: n }, (_, i) => i),
  );
});

it.each([['websocket'], ['polling']])(
  'cuts off a client over %s that does not read, and lets one that reads have more than the cap',
  async (transport) => {
    const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes: 1_048_576 });
    const auth = { token: connectToken(EVERYTHING) };
    const [slow, fast] = [0, 1].map(
      () => new IoClient(io(gateway.httpUrl, { transports: [transport], forceNew: true, reconnection: false, auth })),
    ) as [IoClient, IoClient];
    await Promise.all([slow.subscribe('big'), fast.subscribe('big')]);
    const engine = slow.socket.io.engine as unknown as {
      transport: { ws?: { pause(): void; terminate(): void }; doPoll?: () => void };
    };
    engine.transport.ws?.pause();
    engine.transport.doPoll = () => undefined;
    const payload = 'x'.repeat(30_000);
    let sent = 0;
    while (gateway.metrics.slowConsumers.value === 0) {
      if (sent++ > 2_000) throw new Error('nobody was cut off');
      await testbed.sequencer.publish('big', payload);
      await fast.frame('e', sent - 1);
    }
    expect(sent).toBeGreaterThan(34);
    await eventually(() => expect(gateway.metrics.connections.of('socket.io').value).toBe(1));
    await testbed.sequencer.publish('big', 'last');
    expect(await fast.frame('e', sent)).toMatchObject({ data: 'last' });
    engine.transport.ws?.terminate();
  },
);

it.each(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'])(
  'delivers events that Socket.IO reserves (%s) under "message"',
  async (event) => {
    const made = await connected({ auth: { token: connectToken(EVERYTHING) } });
    await made.subscribe('reserved');
    await testbed.sequencer.publish('reserved', 1, { event });
    expect(await made.frame('message')).toMatchObject({ event, data: 1 });
  },
);

it('passes data through as it was written', async () => {
  const made = await connected({ auth: { token: connectToken(EVERYTHING) } });
  const native = await testbed.gateway.connect(EVERYTHING);
  await subscribe(native, 'exact');
  await made.subscribe('exact');
  const raw = '421["exact",{"channel":"exact","data": {"b":12345678901234567890,"1":2,"a":"\\u00e9"} }]';
  (made.socket.io.engine as unknown as { transport: { ws: { send(text: string): void } } }).transport.ws.send(raw);
  await native.next('exact');
  expect(native.texts.at(-1)).toContain('"data":{"b":12345678901234567890,"1":2,"a":"\\u00e9"},');
});

it('leaves the sender out, also when several messages leave in one piece', async () => {
  const [a, b] = await Promise.all([
    connected({
      auth: { token: connectToken({ channels: { c2: { subscribe: true, messages: { '*': { publish: true } } } } }) },
    }),
    connected({ auth: { token: connectToken(EVERYTHING) } }),
  ]);
  await a.subscribe('c2');
  await b.subscribe('c2');
  for (let n = 0; n < 20; n++) (n % 3 === 0 ? a : b).socket.emit('e', { channel: 'c2', data: n });
  await eventually(() => expect(b.received.filter(([event]) => event === 'e')).toHaveLength(20));
  await eventually(() => expect(a.received.filter(([event]) => event === 'e')).toHaveLength(13));
  expect(a.received.filter(([event, frame]) => event === 'e' && frame.data % 3 === 0)).toEqual([]);
});

it('answers what has no answer with an empty acknowledgement', async () => {
  const made = await connected({ auth: { token: connectToken() } });
  expect(await made.socket.emitWithAck('hotsock.heartbeat')).toBeUndefined();
  expect(await made.socket.emitWithAck('hotsock.ping')).toEqual({ event: 'hotsock.pong', data: '{}' });
});

it.each([
  ['an argument that is not an object', ['e', 'text'], 'MALFORMED_MESSAGE'],
  ['a missing channel', ['e', {}], 'MISSING_FIELD'],
  ['a reserved event that nobody knows', ['hotsock.nope', { channel: 'c' }], 'UNKNOWN_EVENT'],
  ['binary data', ['e', { channel: 'c', data: Buffer.from('x') }], 'MALFORMED_MESSAGE'],
])('answers %s with an error and goes on', async (_what, [event, argument], code) => {
  const made = await connected({ auth: { token: connectToken() } });
  expect(await made.socket.emitWithAck(event as string, argument)).toMatchObject({ error: { code } });
  expect(await made.socket.emitWithAck('hotsock.ping')).toMatchObject({ event: 'hotsock.pong' });
});

it('knows the event by its Socket.IO name, whatever the argument says', async () => {
  const made = await connected({ auth: { token: connectToken() } });
  expect(await made.socket.emitWithAck('hotsock.ping', { event: 'hotsock.nope' })).toMatchObject({
    event: 'hotsock.pong',
  });
});

it('cuts off a client that sends what is no packet, and nobody else', async () => {
  const [made, other] = [
    await connected({ auth: { token: connectToken() } }),
    await connected({ auth: { token: connectToken() } }),
  ];
  (made.socket.io.engine as unknown as { transport: { ws: { send(text: string): void } } }).transport.ws.send(
    '42[broken',
  );
  await made.disconnected;
  expect(await other.socket.emitWithAck('hotsock.ping')).toMatchObject({ event: 'hotsock.pong' });
});

it.each([
  ['a refused handshake', '/socket.io/?EIO=4&transport=websocket'],
  ['one of a path that takes none', '/nothing'],
  ['one of the other transport', '/v1?token=none'],
])('outlives clients that go while they are answered: %s', async (_, path) => {
  const { hostname, port } = new URL(testbed.gateway.httpUrl);
  const head = `GET ${path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  for (let round = 0; round < 20; round++) {
    const gone = Array.from({ length: 10 }, async () => {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(head, () => socket.resetAndDestroy());
      await new Promise((resolve) => socket.once('close', resolve));
    });
    await Promise.all(gone);
  }
  await connected({ auth: { token: connectToken() } });
});

it('ends a session that sends anything before its CONNECT', async () => {
  const session = new WebSocket(
    `${testbed.gateway.httpUrl.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`,
  );
  const closed = new Promise((resolve) => session.once('close', resolve));
  session.once('message', () => session.send('42["hotsock.ping"]'));
  await closed;
});

it('refuses what is neither a poll nor a WebSocket of its own of a session that has its WebSocket', async () => {
  const made = await connected({ auth: { token: connectToken() } });
  const { id } = made.socket.io.engine as unknown as { id: string };
  const url = `${testbed.gateway.httpUrl}/socket.io/?EIO=4&transport=websocket&sid=${id}`;
  expect((await fetch(url)).status).toBe(400);
  const second = new WebSocket(url.replace('http', 'ws'));
  expect(await new Promise((resolve) => second.once('error', ({ message }) => resolve(message)))).toContain('400');
  expect(await made.socket.emitWithAck('hotsock.ping')).toMatchObject({ event: 'hotsock.pong' });
});

it('gives up the connection when the client leaves', async () => {
  const count = () => testbed.gateway.metrics.connections.of('socket.io').value;
  await eventually(() => expect(count()).toBe(0));
  const made = await connected({ auth: { token: connectToken() } });
  expect(count()).toBe(1);
  made.socket.disconnect();
  await eventually(() => expect(count()).toBe(0));
});

it('leaves the other paths of the HTTP server alone', async () => {
  expect((await fetch(`${testbed.gateway.httpUrl}/nothing`)).status).toBe(404);
  expect((await fetch(`${testbed.gateway.httpUrl}/v1`)).status).toBe(426);
  await expect(WsClient.open(testbed.gateway.wsUrl.replace('/v1', '/other'), connectToken())).rejects.toMatchObject({
    status: 404,
  });
});
