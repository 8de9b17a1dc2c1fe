import { Client, get, subscribeToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';

let testbed: Testbed;
beforeAll(async () => (testbed = await Testbed.start({ HEARTH_EVENTS_ENABLED: 'false' })));
afterAll(() => testbed.stop());

const ANY = { '*': { subscribe: true, getInfo: true } };
let opened = 0;
const connect = (claims: Record<string, unknown> = { channels: ANY }): Promise<Client> =>
  testbed.connect(claims, testbed.gateways[opened++ % 2]);

const counts = async (channel: string): Promise<unknown> => (await testbed.channel(channel)).subscriptionsCount;

describe('GET /channels/{name}', () => {
  it('counts the subscriptions of all gateways', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect()));
    await Promise.all(clients.map((client) => client.subscribe('counted')));
    await eventually(async () => {
      expect(await testbed.channel('counted')).toEqual({ name: 'counted', subscriptionsCount: 6 });
    });
    await clients[0]?.unsubscribe('counted');
    await eventually(async () => expect(await counts('counted')).toBe(5));
    await Promise.all(clients.map(({ ws }) => ws.close()));
    await eventually(async () => expect(await counts('counted')).toBe(0));
  });

  it('does not count who asked not to be counted', async () => {
    for (const channel of ['omitted', 'presence.omitted']) {
      const uncounted = await connect({
        uid: 'a',
        channels: { [channel]: { subscribe: true, omitFromSubCount: true } },
      });
      await uncounted.subscribe(channel);
      expect(await counts(channel)).toBe(0);
      const counted = await connect({ uid: 'a', channels: ANY });
      await counted.subscribe(channel);
      await eventually(async () => expect(await counts(channel)).toBe(1));
      await uncounted.unsubscribe(channel);
      await eventually(async () => expect(await counts(channel)).toBe(1));
      const token = subscribeToken({ uid: 'a', channels: { [channel]: { omitFromSubCount: true } } });
      await counted.unsubscribe(channel);
      await counted.subscribe(channel, token);
      await eventually(async () => expect(await counts(channel)).toBe(0));
    }
  });

  it('lists the members of presence channels in the order of their joining, and nobody of unknown ones', async () => {
    const channel = 'presence.a/b ü'.replace(' ', '\u{1F44D}');
    for (const uid of ['b', 'a']) await (await connect({ uid, umd: { n: uid }, channels: ANY })).subscribe(channel);
    await (await connect({ uid: 'b', umd: { n: 'b' }, channels: ANY })).subscribe(channel);
    expect(await testbed.channel(channel)).toEqual({
      name: channel,
      subscriptionsCount: 3,
      members: [
        { uid: 'b', umd: { n: 'b' } },
        { uid: 'a', umd: { n: 'a' } },
      ],
    });
    expect(await testbed.channel('presence.nobody')).toEqual({
      name: 'presence.nobody',
      subscriptionsCount: 0,
      members: [],
    });
    expect(await testbed.channel('nobody')).toEqual({ name: 'nobody', subscriptionsCount: 0 });
  });

  it.each([
    ['a%20b', 400, 'INVALID_CHANNEL'],
    ['a*', 400, 'INVALID_CHANNEL'],
    ['%25zz%00', 400, 'INVALID_CHANNEL'],
    ['x'.repeat(257), 400, 'INVALID_CHANNEL'],
  ])('refuses the name %s', async (name, status, code) => {
    const answer = await get(`${testbed.publishApiUrl}/channels/${name}`);
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
  });

  it('decodes a name once', async () => {
    expect((await get(`${testbed.publishApiUrl}/channels/a%252Fb`)).json.name).toBe('a%2Fb');
  });

  it('needs an API key', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
      const answer = await get(`${testbed.publishApiUrl}/channels/c`, headers as Record<string, string>);
      expect([answer.status, answer.json.error.code]).toEqual([401, 'UNAUTHORIZED']);
    }
  });
});

describe('connection/getChannelInfo', () => {
  it('tells who may know, subscribed or not (I1)', async () => {
    await (await connect({ uid: 'u', channels: ANY })).subscribe('presence.x');
    const other = await connect({ channels: { 'presence.*': { getInfo: true } } });
    const { status, json } = await other.call('getChannelInfo', { channel: 'presence.x' });
    expect([status, json]).toEqual([
      200,
      { channel: 'presence.x', subscriptionsCount: 1, members: [{ uid: 'u', umd: null }] },
    ]);
  });

  it('refuses who may not, subscribed or not (I2)', async () => {
    const client = await connect({ channels: { c: { subscribe: true } } });
    await client.subscribe('c');
    for (const channel of ['c', 'd']) {
      const { status, json } = await client.call('getChannelInfo', { channel });
      expect([status, json.error.code]).toEqual([403, 'GET_INFO_PERMISSION_DENIED']);
    }
  });

  it('understands aliases, and counts the asking subscription right after its first frame', async () => {
    const client = await connect({ channels: { 'room.1': { subscribe: true, getInfo: true, alias: 'room' } } });
    await client.subscribe('room.1');
    const { json } = await client.call('getChannelInfo', { channel: 'room' });
    expect(json).toEqual({ channel: 'room.1', subscriptionsCount: 1 });
  });

  it('is granted by the token of the subscription for as long as that lasts', async () => {
    const client = await connect({ uid: 'u', channels: {} });
    const token = subscribeToken({ uid: 'u', channels: { t: { subscribe: true, getInfo: true } } });
    await client.subscribe('t', token);
    expect((await client.call('getChannelInfo', { channel: 't' })).status).toBe(200);
    await client.unsubscribe('t');
    expect((await client.call('getChannelInfo', { channel: 't' })).status).toBe(403);
  });

  it.each([
    [{}, 'MISSING_FIELD'],
    [{ channel: 1 }, 'INVALID_TYPE'],
    [{ channel: 'a b' }, 'INVALID_CHANNEL'],
  ])('refuses %j', async (body, code) => {
    const { status, json } = await (await connect()).call('getChannelInfo', body);
    expect([status, json.error.code]).toEqual([400, code]);
  });
});
