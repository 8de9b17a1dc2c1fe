import { Client } from 'pg';
import { eventually } from '../support/eventually';
import { RawReader } from '../support/raw-reader';
import { TcpProxy } from '../support/tcp-proxy';
import type { Frame, WsClient } from '../support/ws-client';
import { connectToken, EVERYTHING, GatewayUnderTest, subscribe, subscribeToken } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** Order, completeness and isolation of what subscribers get (websocket-protocol §9, promises R2–R4, R6, R8). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const numbers = (client: WsClient, channel: string): number[] =>
  client.frames.filter((frame) => frame.channel === channel && frame.event === 'e').map((frame) => frame.data);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

async function subscriber(channel: string): Promise<WsClient> {
  const client = await testbed.gateway.connect(EVERYTHING);
  await subscribe(client, channel);
  return client;
}

describe('the chain of a channel', () => {
  it('drops what comes twice', async () => {
    const client = await subscriber('twice');
    const [one, two, three] = [0, 1, 2].map((n) => testbed.sequencer.next('twice', n));
    for (const message of [one, two, one, two, three, two]) if (message) await testbed.sequencer.send(message);
    await client.next((frame) => frame.data === 2);
    await testbed.sequencer.publish('twice', 3);
    await client.next((frame) => frame.data === 3);
    expect(numbers(client, 'twice')).toEqual(upTo(4));
  });

  it('fetches what was lost on the way from the deliver stream, and delivers it in order', async () => {
    const client = await subscriber('lost');
    await testbed.sequencer.publish('lost', 0);
    await client.next('e');
    const before = testbed.gateway.metrics.catchUps.value;
    await withLiveMessagesLost('lost', () => testbed.sequencer.publish('lost', 1));
    await withLiveMessagesLost('lost', () => testbed.sequencer.publish('lost', 2));
    await testbed.sequencer.publish('lost', 3);
    await testbed.sequencer.publish('lost', 4);
    await client.next((frame) => frame.data === 4);
    expect(numbers(client, 'lost')).toEqual(upTo(5));
    expect(testbed.gateway.metrics.catchUps.value).toBe(before + 1);
  });

  it('goes on, and says so, when nobody has what is missing', async () => {
    const client = await testbed.gateway.connect(EVERYTHING);
    await subscribe(client, 'gone', { resume: true });
    await testbed.sequencer.publish('gone', 0);
    await client.next('e');
    const failed = testbed.gateway.metrics.catchUpsFailed.value;
    testbed.sequencer.next('gone', 'never sent');
    await testbed.sequencer.publish('gone', 1);
    await testbed.sequencer.publish('gone', 2);
    await client.next((frame) => frame.data === 2);
    expect(numbers(client, 'gone')).toEqual(upTo(3));
    expect(testbed.gateway.metrics.catchUpsFailed.value).toBe(failed + 1);
  });

  it('has no gap after the server drops the connection of the gateway, and no repeat', async () => {
    const clients = await Promise.all(upTo(20).map((n) => subscriber(`cut.${n}`)));
    await Promise.all(clients.map((_, n) => testbed.sequencer.publish(`cut.${n}`, 0)));
    const pump = pumping(
      clients.map((_, n) => `cut.${n}`),
      1,
    );
    for (let round = 0; round < 3; round++) {
      await eventually(() => expect(pump.sent()).toBeGreaterThan(100 * (round + 1)));
      await testbed.gateway.stream.nats.reconnect();
    }
    const last = await pump.stop();
    for (const [n, client] of clients.entries()) {
      await client.next((frame) => frame.data === last);
      expect(numbers(client, `cut.${n}`)).toEqual(upTo(last + 1));
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  it('survives a restart of NATS under load: sockets stay, nothing is lost, nothing comes twice', async () => {
    const clients = await Promise.all(upTo(10).map((n) => subscriber(`restart.${n}`)));
    const pump = pumping(
      clients.map((_, n) => `restart.${n}`),
      0,
    );
    await eventually(() => expect(pump.sent()).toBeGreaterThan(100));
    await testbed.nats.restart();
    const sent = pump.sent();
    await eventually(() => expect(pump.sent()).toBeGreaterThan(sent + 100));
    const last = await pump.stop();
    for (const [n, client] of clients.entries()) {
      await client.next((frame) => frame.data === last);
      expect(numbers(client, `restart.${n}`)).toEqual(upTo(last + 1));
      expect(client.socket.readyState).toBe(1);
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  it('ends connections that cannot subscribe for long, automatically or not, rather than leave them half alive', async () => {
    const client = await subscriber('long');
    await testbed.nats.kill();
    await eventually(() => expect(testbed.gateway.stream.isConnected).toBe(false));
    const automatic = await testbed.gateway.connect({
      channels: { 'long.3': { subscribe: true, autoSubscribe: true } },
    });
    client.send({ event: 'hotsock.subscribe', channel: 'long.2' });
    const ends = await Promise.all([client.closed, automatic.closed]);
    expect(ends).toEqual(ends.map(() => ({ code: 1013, reason: 'Try again later' })));
    expect(client.frames.filter(({ event }) => event === 'hotsock.error')).toEqual([]);
    await testbed.nats.restart();
    await eventually(() => expect(testbed.gateway.stream.isConnected).toBe(true));
  });

  it('refuses clearly while NATS is away and goes on afterwards', async () => {
    const client = await subscriber('away');
    await testbed.nats.kill();
    await eventually(() => expect(testbed.gateway.stream.isConnected).toBe(false));
    client.send({ event: 'e', channel: 'away', data: 0 });
    expect(await client.next('hotsock.error')).toMatchObject({
      channel: 'away',
      error: { code: 'SERVICE_UNAVAILABLE' },
    });
    client.send({ event: 'hotsock.subscribe', channel: 'away.2' });
    await testbed.nats.restart();
    // It was kept waiting: no client library asks again by itself.
    expect(await client.next(({ event }) => event !== 'e')).toMatchObject({
      event: 'hotsock.subscribed',
      channel: 'away.2',
    });
    await eventually(() => expect(testbed.gateway.stream.isConnected).toBe(true));
    await testbed.sequencer.publish('away', 1);
    await client.next((frame) => frame.data === 1);
    await client.close();
  });
});

describe('order (§9)', () => {
  it('delivers everything that is published after hotsock.subscribed, in 2,000 races', async () => {
    const client = await testbed.gateway.connect({ ...EVERYTHING, limits: { subscribe: -1 } });
    const race = async (worker: number) => {
      for (let n = 0; n < 100; n++) {
        const channel = `race.${worker}.${n % 10}`;
        await eventuallyFrame(client, { event: 'hotsock.subscribe', channel }, 'hotsock.subscribed');
        const id = await testbed.sequencer.publish(channel, n);
        await eventually(() => expect(client.frames.some((frame) => frame.id === id)).toBe(true));
        await eventuallyFrame(client, { event: 'hotsock.unsubscribe', channel }, 'hotsock.unsubscribed');
      }
    };
    await Promise.all(upTo(20).map(race));
    expectProperOrder(client.frames);
    await client.close();
  });

  it('keeps each subscription between its subscribed and unsubscribed frames under load', async () => {
    const pump = pumping(['busy.0', 'busy.1'], 0);
    const client = await testbed.gateway.connect(EVERYTHING);
    for (let n = 0; n < 300; n++) {
      const channel = `busy.${n % 2}`;
      client.send({ event: 'hotsock.subscribe', channel });
      client.send({ event: 'hotsock.unsubscribe', channel });
      if (n % 3 === 0) await eventuallyFrame(client, { event: 'hotsock.ping' }, 'hotsock.pong');
    }
    await eventuallyFrame(client, { event: 'hotsock.ping' }, 'hotsock.pong');
    await pump.stop();
    expect(client.frames.filter((frame) => frame.event === 'hotsock.subscribed')).toHaveLength(300);
    expectProperOrder(client.frames);
    await client.close();
  });

  it('shows the same order to all subscribers', async () => {
    const clients = await Promise.all(upTo(5).map(() => subscriber('same')));
    const other = await testbed.anotherGateway();
    const remote = await other.connect(EVERYTHING);
    await subscribe(remote, 'same');
    await Promise.all(
      clients.map(async (client) => upTo(100).forEach((n) => client.send({ event: 'e', channel: 'same', data: n }))),
    );
    for (const client of [...clients, remote]) {
      await eventually(() => expect(client.frames.filter((frame) => frame.event === 'e')).toHaveLength(500));
    }
    const orders = [...clients, remote].map((client) => ids(client).join());
    expect(new Set(orders).size).toBe(1);
    expect(ids(remote)).toEqual([...ids(remote)].sort());
  });
});

it('counts a message as delivered to those only who get it', async () => {
  const gateway = await testbed.anotherGateway();
  const [sender, other] = await Promise.all([gateway.connect(EVERYTHING), gateway.connect(EVERYTHING)]);
  await Promise.all([sender, other].map((client) => subscribe(client, 'counted')));
  const except = (await sender.connected()).data.connectionId;
  for (let n = 0; n < 6; n++) await testbed.sequencer.publish('counted', n, n % 2 ? { except } : {});
  for (const client of [sender, other]) await client.next((frame) => frame.data === (client === sender ? 4 : 5));
  expect(numbers(sender, 'counted')).toEqual([0, 2, 4]);
  expect(gateway.metrics.delivered.value).toBe(9);
  await Promise.all([sender.close(), other.close()]);
});

describe('slow readers (R8)', () => {
  it('cuts only the slow one off, with 1013, and bounds what waits for it', async () => {
    const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes: 1_048_576 });
    const fast = await gateway.connect(EVERYTHING);
    await subscribe(fast, 'big');
    const slow = await RawReader.open(gateway.wsUrl, connectToken(EVERYTHING), 'big');
    slow.pause();
    const payload = 'x'.repeat(30_000);
    let sent = 0;
    while (gateway.metrics.slowConsumers.value === 0) {
      await testbed.sequencer.publish('big', payload);
      sent++;
      if (sent > 2_000) throw new Error('nobody was cut off');
    }
    await testbed.sequencer.publish('big', 'last');
    await fast.next((frame) => frame.data === 'last');
    expect(fast.frames.filter((frame) => frame.event === 'e')).toHaveLength(sent + 1);
    expect(gateway.metrics.slowConsumers.value).toBe(1);
    expect(gateway.metrics.connections.of('websocket').value).toBe(1);
    slow.resume();
    await slow.ended;
    expect(slow.tail.toString('latin1')).toContain('\u0003\u00f5Slow consumer');
    await fast.close();
  });
});

const ids = (client: WsClient): string[] =>
  client.frames.filter((frame) => frame.event === 'e').map((frame) => frame.id);

/** The gateway sees nothing of what is published in `channel` meanwhile; the stream does. */
async function withLiveMessagesLost(channel: string, publish: () => Promise<unknown>): Promise<void> {
  const subscriptions = (
    testbed.gateway.stream.nats as unknown as {
      protocol: { subscriptions: { subs: Map<number, { subject: string; callback: (...args: unknown[]) => void }> } };
    }
  ).protocol.subscriptions.subs;
  const live = [...subscriptions.values()].find(({ subject }) => subject === `hearth.deliver.${channel}`);
  if (live === undefined) throw new Error('no live subscription');
  const { callback } = live;
  live.callback = () => undefined;
  try {
    await publish();
    await testbed.gateway.stream.nats.flush();
  } finally {
    live.callback = callback;
  }
}

/** Publishes 0 or `from`, and so on, into all channels until it is stopped; `stop` gives the last number. */
function pumping(channels: readonly string[], from: number) {
  let [next, running] = [from, true];
  const done = (async () => {
    while (running) {
      const n = next++;
      await Promise.all(channels.map((channel) => testbed.sequencer.publish(channel, n)));
    }
  })();
  return {
    sent: () => next,
    stop: async () => {
      running = false;
      await done;
      return next - 1;
    },
  };
}

/** Sends a frame and waits for its answer without moving the client's reading position. */
async function eventuallyFrame(client: WsClient, frame: Frame, event: string): Promise<void> {
  const wanted = (other: Frame) => other.event === event && other.channel === frame.channel;
  const before = client.frames.filter(wanted).length;
  client.send(frame);
  await eventually(() => expect(client.frames.filter(wanted).length).toBeGreaterThan(before));
}

/** No frame of a channel outside its subscription, numbers ascending. */
function expectProperOrder(frames: readonly Frame[]): void {
  const subscribed = new Set<string>();
  const last = new Map<string, string>();
  for (const { event, channel, id } of frames) {
    if (event === 'hotsock.subscribed') subscribed.add(channel);
    else if (event === 'hotsock.unsubscribed') subscribed.delete(channel);
    else if (id !== undefined) {
      if (!subscribed.has(channel)) throw new Error(`a frame of ${channel} outside its subscription`);
      if ((last.get(channel) ?? '') >= id) throw new Error(`${channel}: ${id} after ${last.get(channel)}`);
      last.set(channel, id);
    }
  }
}

it('lets in, once, who shows a single-use token when the answer of Postgres is lost', async () => {
  const user = { ...EVERYTHING, uid: 'u1' };
  const url = new URL(testbed.servers.databaseUrl);
  const proxy = await TcpProxy.start(Number(url.port));
  url.port = String(proxy.port);
  const gateway = await GatewayUnderTest.start({ ...testbed.servers, databaseUrl: url.href });
  const sql = new Client(testbed.servers.databaseUrl);
  await sql.connect();
  try {
    const [client, other] = [await gateway.connect(user), await gateway.connect(user)];
    await subscribe(other, 'once-used');
    const claims = { uid: user.uid, jti: 'once', singleUse: true, channels: { 'once-used': { subscribe: true } } };
    const token = subscribeToken(claims);
    proxy.swallowAnswers();
    const subscribed = subscribe(client, 'once-used', { token });
    await eventually(async () => {
      const { rowCount } = await sql.query('select from single_use_token');
      expect(rowCount).toBe(1);
    });
    proxy.cut();
    await subscribed;
    await other.close();
    const again = await gateway.connect(user);
    again.send({ event: 'hotsock.subscribe', channel: 'once-used', data: { token } });
    expect(await again.next('hotsock.error')).toMatchObject({ error: { code: 'INVALID_SUBSCRIBE_TOKEN' } });
  } finally {
    await sql.end();
    await gateway.stop();
    await proxy.stop();
  }
});
