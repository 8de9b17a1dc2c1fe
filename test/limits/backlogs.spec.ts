import { connect as connectTcp, type Socket } from 'node:net';
import { connectToken, EVERYTHING, type GatewayUnderTest, subscribe } from '../gateway/gateway-under-test';
import { startTestbed, type Testbed } from '../gateway/testbed';
import { eventually } from '../support/eventually';
import { RawReader } from '../support/raw-reader';

/** What waits for all clients together has a bound, too (limits §2, `BACKLOG_BYTES`). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const MIB = 1_048_576;
/** Nobody reaches its own bound here. */
const wsMaxBacklogBytes = 64 * MIB;
const PAYLOAD = 'x'.repeat(30_000);

const limited = (gateway: GatewayUnderTest) => gateway.metrics.limited.of('backlogBytes').of('closed').value;
const waiting = async (gateway: GatewayUnderTest) =>
  Number(/^hearth_backlog_bytes (.*)$/m.exec(await gateway.metrics.text())?.[1]);

/** Publishes until so much waits in the gateway: what the system keeps by itself is different everywhere. */
async function publishUntil(gateway: GatewayUnderTest, channel: string, bytes: number): Promise<void> {
  for (let sent = 0; (await waiting(gateway)) < bytes; sent++) {
    if (sent > 2_000) throw new Error('it does not pile up');
    await testbed.sequencer.publish(channel, PAYLOAD);
  }
}

/** Publishes until somebody is cut off, at most as many messages as 60 MB. */
async function publishUntilCut(gateway: GatewayUnderTest, channel: string): Promise<void> {
  const before = limited(gateway);
  for (let sent = 0; limited(gateway) === before; sent++) {
    if (sent > 2_000) throw new Error('nobody was cut off');
    await testbed.sequencer.publish(channel, PAYLOAD);
  }
}

const reader = async (gateway: GatewayUnderTest, channel: string): Promise<RawReader> => {
  const made = await RawReader.open(gateway.wsUrl, connectToken(EVERYTHING), channel);
  made.pause();
  return made;
};

it('ends who holds most when too much waits for all together, with 1013, and nobody else', async () => {
  const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes, limitBacklogBytes: 8 * MIB });
  const [small, large] = [await reader(gateway, 'small'), await reader(gateway, 'large')];
  await publishUntil(gateway, 'small', 2 * MIB);
  await publishUntilCut(gateway, 'large');
  large.resume();
  await large.ended;
  expect(large.tail.toString('latin1')).toContain('\u0003\u00f5Slow consumer');
  await testbed.sequencer.publish('small', 'last');
  small.resume();
  await eventually(() => expect(small.tail.toString('latin1')).toContain('"last"'));
  expect(limited(gateway)).toBe(1);
  expect(await waiting(gateway)).toBe(0);
  const warnings = gateway.log.map((line) => JSON.parse(line)).filter(({ limit }) => limit === 'backlogBytes');
  expect(warnings).toMatchObject([{ message: 'a limit was reached', number: 1 }]);
  small.close();
});

it('does not give who was told to go its 3 s when far too much waits', async () => {
  const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes, limitBacklogBytes: 4 * MIB });
  const [one, two] = [await reader(gateway, 'gone.one'), await reader(gateway, 'gone.two')];
  await publishUntilCut(gateway, 'gone.one');
  await publishUntilCut(gateway, 'gone.two');
  await eventually(async () => expect(await waiting(gateway)).toBeLessThan(5 * MIB));
  one.resume();
  await one.ended;
  expect(one.tail.toString('latin1')).not.toContain('Slow consumer');
  two.close();
});

it('counts once what waits for many', async () => {
  const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes, limitBacklogBytes: 8 * MIB });
  const readers = await Promise.all(Array.from({ length: 8 }, () => reader(gateway, 'shared')));
  await publishUntil(gateway, 'shared', 4 * MIB);
  expect(limited(gateway)).toBe(0);
  readers.forEach((each) => each.close());
  await eventually(async () => expect(await waiting(gateway)).toBe(0));
});

it('has no bound at 0', async () => {
  const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes, limitBacklogBytes: Infinity });
  const one = await reader(gateway, 'unbounded');
  await publishUntil(gateway, 'unbounded', 16 * MIB);
  expect(limited(gateway)).toBe(0);
  one.close();
  await eventually(async () => expect(await waiting(gateway)).toBe(0));
});

it.each([
  ['a WebSocket', 'websocket'],
  ['long-polling', 'polling'],
])('ends Socket.IO clients over %s as well', async (_, transport) => {
  const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes, limitBacklogBytes: 8 * MIB });
  const native = await gateway.connect(EVERYTHING);
  await subscribe(native, `io.${transport}`);
  const client = transport === 'polling' ? await Poller.open(gateway, `io.${transport}`) : undefined;
  const socket = transport === 'polling' ? undefined : await ioSocket(gateway, `io.${transport}`);
  await publishUntilCut(gateway, `io.${transport}`);
  await eventually(() => expect(gateway.metrics.connections.of('socket.io').value).toBe(0));
  expect(gateway.metrics.connections.of('websocket').value).toBe(1);
  socket?.destroy();
  client?.close();
  await eventually(async () => expect(await waiting(gateway)).toBe(0));
  await native.close();
});

it('counts answers to polls that are not read as what waits for the client', async () => {
  const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes: 8 * MIB });
  const poller = await Poller.open(gateway, 'polled');
  for (let polls = 0; gateway.metrics.slowConsumers.value === 0; polls++) {
    if (polls > 20) throw new Error('it was not cut off');
    for (let n = 0; n < 200; n++) await testbed.sequencer.publish('polled', PAYLOAD);
    await eventually(async () => expect((await waiting(gateway)) + gateway.metrics.slowConsumers.value).not.toBe(0));
    // Once, and not as an answer over HTTP as well.
    expect(await waiting(gateway)).toBeLessThan(10 * MIB);
    poller.pollUnread();
  }
  await eventually(async () => expect(await waiting(gateway)).toBe(0));
  poller.close();
});

it('forgets an answer to a poll that was due behind another when their connection closed', async () => {
  const gateway = await testbed.anotherGateway({ connectionMaxSeconds: 5 });
  const [first, second] = [await Poller.open(gateway, 'first'), await Poller.open(gateway, 'second')];
  const connection = first.pollUnread(second);
  await eventually(async () => {
    await testbed.sequencer.publish('second', PAYLOAD);
    expect(await waiting(gateway)).not.toBe(0);
  });
  connection.destroy();
  await eventually(async () => {
    expect(gateway.metrics.connections.of('socket.io').value).toBe(0);
    expect(await waiting(gateway)).toBe(0);
  });
});

/** A Socket.IO session over long-polling whose polls are made one by one. */
class Poller {
  private readonly sockets: Socket[] = [];

  private constructor(private readonly url: URL) {}

  static async open(gateway: GatewayUnderTest, channel: string): Promise<Poller> {
    const at = `${gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(at)).text()).slice(1));
    const url = new URL(`${at}&sid=${sid}`);
    const post = (body: string) => fetch(url, { method: 'POST', body });
    await post(`40${JSON.stringify({ token: connectToken(EVERYTHING) })}`);
    await post(`42["hotsock.subscribe",{"channel":"${channel}"}]`);
    for (let text = ''; !text.includes('hotsock.subscribed');) text = await (await fetch(url)).text();
    return new Poller(url);
  }

  /** Asks for what there is on a connection of its own, on which others ask next, and reads none of it. */
  pollUnread(...next: readonly Poller[]): Socket {
    const socket = connectTcp(Number(this.url.port), this.url.hostname);
    socket.pause().on('error', () => undefined);
    for (const { url } of [this, ...next]) socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\n\r\n`);
    this.sockets.push(socket);
    return socket;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A Socket.IO client over a WebSocket that has subscribed, and reads nothing more. */
async function ioSocket(gateway: GatewayUnderTest, channel: string): Promise<Socket> {
  const { hostname, port } = new URL(gateway.httpUrl);
  const socket = connectTcp(Number(port), hostname);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1'))).on('error', () => undefined);
  socket.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const say = async (text: string, answer: string) => {
    const [head, body] = [Buffer.of(0x81, 0xfe, 0, 0, 0, 0, 0, 0), Buffer.from(text)];
    head.writeUInt16BE(body.length, 2);
    socket.write(Buffer.concat([head, body]));
    await eventually(() => expect(received).toContain(answer));
  };
  await eventually(() => expect(received).toContain('"sid"'));
  await say(`40${JSON.stringify({ token: connectToken(EVERYTHING) })}`.padEnd(200), 'hotsock.connected');
  await say(`42["hotsock.subscribe",{"channel":"${channel}"}]`.padEnd(200), 'hotsock.subscribed');
  return socket.pause();
}
