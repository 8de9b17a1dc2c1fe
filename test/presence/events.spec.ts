import { Client, Testbed } from '../support/installation';
import { about, EventLog, ofConnection } from './event-log';

let testbed: Testbed;
let events: EventLog;
beforeAll(async () => {
  testbed = await Testbed.start();
  events = await EventLog.open(testbed.nats.url);
});
afterAll(async () => {
  await events.close();
  await testbed.stop();
});

const ANY = { '*': { subscribe: true } };
const connect = (claims: Record<string, unknown> = {}): Promise<Client> =>
  testbed.connect({ channels: ANY, ...claims }, testbed.gateways[0]);

describe('backend events', () => {
  it('follow a session in a standard channel (acceptance 1)', async () => {
    const client = await connect({ uid: 'u', umd: { n: 1 }, keepAlive: true });
    await client.subscribe('c');
    await client.unsubscribe('c');
    await client.subscribe('c');
    await client.ws.close();
    const gone = await events.next('disconnected', ofConnection(client.id));
    const mine = events.all.filter((event) => about('c')(event) || ofConnection(client.id)(event));
    const session = ['subscribed', 'channelUpdated', 'unsubscribed', 'channelUpdated'];
    expect(mine.map(({ type }) => (type as string).slice('hotsock.'.length))).toEqual([
      'connected',
      ...session,
      ...session,
      'disconnected',
    ]);
    expect(mine.slice(1, 5).map(({ data }) => data)).toEqual([
      { channel: 'c', connectionId: client.id, uid: 'u', umd: { n: 1 } },
      { name: 'c', subscriptionsCount: 1 },
      { channel: 'c', connectionId: client.id, uid: 'u', umd: { n: 1 } },
      { name: 'c', subscriptionsCount: 0 },
    ]);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown;
    const connection = {
      id: client.id,
      connectedAt: time,
      disconnectedAt: null,
      keepAlive: true,
      sourceIp: '127.0.0.1',
      uid: 'u',
      umd: { n: 1 },
      userAgent: null,
    };
    expect(mine[0]).toMatchObject({
      source: 'hotsock.v1',
      dataType: 'connection',
      subject: 'hearth.events.v1.connection.connected.~',
      metadata: { hotsockVersion: expect.any(String) as string, hearthVersion: expect.any(String) as string },
      data: connection,
    });
    expect(Object.keys(mine[0].metadata as object)).toEqual(['hotsockVersion', 'hearthVersion']);
    expect(gone.data).toEqual({ ...connection, disconnectedAt: time });
    expect(mine[1]).toMatchObject({
      dataType: 'subscription',
      subject: 'hearth.events.v1.subscription.subscribed.c',
      metadata: { channel: 'c' },
    });
  });

  it('tell of members, subscriptions and counts of a presence channel, in this order', async () => {
    const channel = 'presence.e';
    const [first, second] = [await connect({ uid: 'u', umd: 1 }), await connect({ uid: 'u', umd: 2 })];
    await first.subscribe(channel);
    await second.subscribe(channel);
    await first.ws.close();
    await events.next('disconnected', ofConnection(first.id));
    await second.ws.close();
    await events.next('disconnected', ofConnection(second.id));
    expect(events.names(about(channel))).toEqual([
      ...['memberAdded', 'subscribed', 'channelUpdated'],
      ...['memberUpdated', 'subscribed', 'channelUpdated'],
      ...['unsubscribed', 'channelUpdated'],
      ...['memberRemoved', 'unsubscribed', 'channelUpdated'],
    ]);
    const told = events.all.filter(about(channel)).map(({ data }) => data);
    expect([told[0], told[3], told[8]]).toEqual([
      { uid: 'u', umd: 1, members: [{ uid: 'u', umd: 1 }] },
      { uid: 'u', umd: 2, members: [{ uid: 'u', umd: 2 }] },
      { uid: 'u', umd: 2, members: [] },
    ]);
    expect([told[2], told[5], told[7], told[10]].map(({ subscriptionsCount }) => subscriptionsCount)).toEqual([
      1, 2, 1, 0,
    ]);
    expect(told[4]).toEqual({ channel, connectionId: second.id, uid: 'u', umd: 2 });
  });

  it('leave counts out for subscriptions that do not count (acceptance 2)', async () => {
    for (const [channel, expected] of [
      ['omit', ['subscribed', 'unsubscribed']],
      ['presence.omit', ['memberAdded', 'subscribed', 'memberRemoved', 'unsubscribed']],
    ] as const) {
      const client = await connect({
        uid: 'u',
        channels: { [channel]: { autoSubscribe: true, omitFromSubCount: true } },
      });
      await client.ws.next('hotsock.subscribed');
      await client.ws.close();
      await events.next('disconnected', ofConnection(client.id));
      expect(events.names(about(channel))).toEqual(expected);
    }
  });

  it('keep the order of many subscriptions, each with the count after it', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => connect()));
    await Promise.all(clients.map((client) => client.subscribe('many')));
    await Promise.all(clients.map(({ ws }) => ws.close()));
    await Promise.all(clients.map(({ id }) => events.next('disconnected', ofConnection(id))));
    const counts = events.all
      .filter((event) => event.type === 'hotsock.channelUpdated' && about('many')(event))
      .map(({ data }) => data.subscriptionsCount as number);
    expect(counts).toHaveLength(80);
    counts.reduce((before, count) => {
      expect(Math.abs(count - before)).toBe(1);
      return count;
    }, 0);
    expect(counts.at(-1)).toBe(0);
  });

  it('are silent when they are switched off', async () => {
    const quiet = await Testbed.start({ HEARTH_EVENTS_ENABLED: 'false' });
    const log = await EventLog.open(quiet.nats.url);
    try {
      const client = await quiet.connect({ uid: 'u', channels: ANY });
      for (const channel of ['c', 'presence.c']) await client.subscribe(channel);
      await client.ws.close();
      await quiet.settle('c');
      expect(log.all).toEqual([]);
    } finally {
      await log.close();
      await quiet.stop();
    }
  });
});
