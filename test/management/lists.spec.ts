import { io, type Socket } from 'socket.io-client';
import { API_KEY, connectToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { connect, type Frame, type WsClient } from '../support/ws-client';
import { describeInspector } from './inspector';
import { ADMIN_TOKEN, Manager } from './manager';

/** What there is, over two gateways (management-api §1, §2). */
let testbed: Testbed;
let manager: Manager;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_ADMIN_TOKEN: ADMIN_TOKEN, HEARTH_TRUSTED_PROXIES: '127.0.0.1' });
  manager = new Manager(testbed);
});
afterAll(() => testbed?.stop());

const EVERYTHING = {
  channels: { '*': { subscribe: true, messages: { '*': { publish: true, scheduleBefore: 4e9 } } } },
};

/** A connection to one of the two gateways, subscribed to channels. */
async function open(gateway: 0 | 1, claims: Record<string, unknown>, ...channels: string[]): Promise<WsClient> {
  const headers = { 'x-forwarded-for': `203.0.113.${gateway + 1}`, 'user-agent': 'lists "spec"' };
  const token = connectToken({ ...EVERYTHING, ...claims });
  const client = await connect(testbed.gateways[gateway]!.wsUrl, token, headers);
  for (const channel of channels) {
    client.send({ event: 'hotsock.subscribe', channel });
    await client.next('hotsock.subscribed');
  }
  return client;
}

const idOf = (client: WsClient): string => client.frames[0].data.connectionId;
const idsOf = (list: Frame[]): string[] => list.map(({ id }) => id);
const orderOf = (...clients: WsClient[]): string[] => clients.map(idOf).sort();

describe('connections', () => {
  let first: WsClient;
  let second: WsClient;
  let third: WsClient;

  beforeAll(async () => {
    first = await open(0, { uid: 'u1', jti: 't1', umd: { n: 1 } }, 'a', 'b');
    second = await open(1, { uid: 'u1', jti: 't2' }, 'b');
    third = await open(1, { uid: 'u2' });
  });

  it('of both gateways are listed in the order of their ids, with all that is known of them', async () => {
    const { status, headers, json, text } = await manager.get('/connections?uid=u1');
    expect([status, headers.get('access-control-allow-origin')]).toEqual([200, null]);
    expect(json).toEqual({ connections: expect.any(Array), total: 2, next: null, complete: true });
    expect(idsOf(json.connections)).toEqual(orderOf(first, second));
    const one = json.connections.find(({ id }: Frame) => id === idOf(first));
    const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    expect(one).toEqual({
      id: idOf(first),
      uid: 'u1',
      umd: { n: 1 },
      sourceIp: '203.0.113.1',
      userAgent: 'lists "spec"',
      transport: 'websocket',
      connectedAt: instant,
      expiresAt: instant,
      jti: 't1',
      kid: null,
      subscriptionsCount: 2,
    });
    const expires = (await first.connected()).data.connectionExpiresAt;
    expect(Date.parse(one.expiresAt)).toBe(Date.parse(expires));
    expect(text).not.toContain((await first.connected()).data.connectionSecret);
  });

  it('come a page at a time, each once', async () => {
    const all = orderOf(first, second, third);
    expect(idsOf(await manager.pages('/connections', 'connections', 1))).toEqual(all);
    expect(idsOf(await manager.pages('/connections', 'connections', 2))).toEqual(all);
    const { json } = await manager.get('/connections?limit=1');
    expect([json.total, json.next]).toEqual([3, all[0]]);
  });

  it.each([
    ['channel=b', () => orderOf(first, second)],
    ['channel=b&uid=u1&jti=t2', () => orderOf(second)],
    ['jti=t1', () => orderOf(first)],
    ['address=203.0.113.2', () => orderOf(second, third)],
    ['address=203.0.113.0/31', () => orderOf(first)],
    ['address=203.0.113.0/24', () => orderOf(first, second, third)],
    ['address=::ffff:203.0.113.2', () => orderOf(second, third)],
    ['address=::ffff:cb00:7100/120', () => orderOf(first, second, third)],
    ['address=2001:db8::/32', () => []],
    ['uid=nobody', () => []],
  ])('are found by %s', async (query, expected) => {
    const { json } = await manager.get(`/connections?${query}`);
    expect(idsOf(json.connections)).toEqual(expected());
    expect(json.total).toBe(expected().length);
  });

  it('of Socket.IO are among them', async () => {
    const socket: Socket = io(testbed.gateways[0]!.httpUrl, {
      transports: ['websocket'],
      forceNew: true,
      auth: { token: connectToken({ uid: 'io' }) },
    });
    await eventually(async () => {
      const { json } = await manager.get('/connections?uid=io');
      expect(json.connections).toMatchObject([{ transport: 'socket.io', umd: null, jti: null }]);
    });
    socket.disconnect();
    await eventually(async () => expect((await manager.get('/connections?uid=io')).json.total).toBe(0));
  });

  it('can be looked at one by one, with their subscriptions in the order of the channels', async () => {
    const { status, json } = await manager.get(`/connections/${encodeURIComponent(idOf(first))}`);
    const subscription = { uid: 'u1', umd: { n: 1 }, alias: null, subscribedAt: expect.any(String) };
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({
        id: idOf(first),
        subscriptionsCount: 2,
        subscriptions: [
          { channel: 'a', ...subscription },
          { channel: 'b', ...subscription },
        ],
      }),
    ]);
  });

  it('that do not exist are not found', async () => {
    const gone = await open(0, {});
    await gone.close();
    await eventually(async () => expect((await manager.get(`/connections/${idOf(gone)}`)).status).toBe(404));
    for (const id of ['x', 'AAAAAAAAAAAAAAA=', `${idOf(first).slice(0, 4)}AAAAAAAAAAA=`]) {
      const { status, json } = await manager.get(`/connections/${id}`);
      expect([id, status, json.error.code]).toEqual([id, 404, 'NOT_FOUND']);
    }
  });
});

describe('channels', () => {
  it('are those with a subscription, with what each gateway has of them together', async () => {
    const hidden = { channels: { '*': { subscribe: true, omitFromSubCount: true } } };
    await open(0, { uid: 'm1' }, 'list.a', 'presence.list', 'list.\u{10000}', 'list.\uffff');
    await open(1, { uid: 'm1' }, 'list.a', 'presence.list');
    await open(1, { ...hidden, uid: 'm2' }, 'list.a', 'presence.list');
    const left = await open(1, { uid: 'm3' }, 'list.left');
    left.send({ event: 'hotsock.unsubscribe', channel: 'list.left' });
    await left.next('hotsock.unsubscribed');

    await eventually(async () => {
      const { status, json } = await manager.get('/channels?prefix=presence.l');
      expect([status, json]).toEqual([
        200,
        {
          channels: [{ name: 'presence.list', subscriptionsCount: 2, connectionsCount: 3, membersCount: 2 }],
          next: null,
          complete: true,
        },
      ]);
    });
    const one = { subscriptionsCount: 1, connectionsCount: 1 };
    for (const limit of [1, 2, 1_000]) {
      expect(await manager.pages('/channels?prefix=list.', 'channels', limit)).toEqual([
        { name: 'list.a', subscriptionsCount: 2, connectionsCount: 3 },
        { name: 'list.\uffff', ...one },
        { name: 'list.\u{10000}', ...one },
      ]);
    }
  });
});

describe('schedules', () => {
  const scheduleExpression = 'at(2090-01-02T03:04:05)';
  const idFrom = ({ scheduleArn }: Frame): string => scheduleArn.split('/').at(-1);

  it('are there once they were accepted, with what is parked, and gone once cancelled', async () => {
    const channel = 'sch"1';
    const message = { channel, event: 'e', data: { n: 1 }, store: 60, scheduleExpression };
    const { scheduleArn } = (await testbed.publishOne(message)).json;
    const id = idFrom({ scheduleArn });
    const listed = {
      id,
      scheduleArn,
      channel,
      event: 'e',
      at: '2090-01-02T03:04:05Z',
      trigger: 'server.http',
      uid: null,
      key: null,
    };
    const { status, json } = await manager.get(`/schedules?channel=${encodeURIComponent(channel)}`);
    expect([status, json]).toEqual([200, { schedules: [listed], next: null }]);
    for (const name of [id, scheduleArn]) {
      const whole = await manager.get(`/schedules/${encodeURIComponent(name)}`);
      expect([whole.status, whole.json]).toEqual([200, { ...listed, data: { n: 1 }, store: 60 }]);
    }
    expect((await manager.call('DELETE', `/schedules/${id}`)).status).toBe(204);
    expect((await manager.get(`/schedules/${id}`)).status).toBe(404);
    expect((await manager.get(`/schedules?channel=${encodeURIComponent(channel)}`)).json.schedules).toEqual([]);
  });

  it('of clients say whose they are, and writes of storage which key', async () => {
    const client = await open(0, { uid: 'u"1', umd: { '"channel":"x"': '"c":"x"' } }, 'sch.client');
    client.send({ event: 'e', channel: 'sch.client', data: 12345678901234567890n.toString(), scheduleExpression });
    await eventually(async () => {
      const { json } = await manager.get('/schedules?channel=sch.client');
      expect(json.schedules).toMatchObject([{ trigger: 'client.websocket', uid: 'u"1', key: null }]);
    });
    const event = 'hotsock.channelStorageSet';
    const document = { channel: 'sch.storage', event, key: 'k', data: 1, scheduleExpression };
    const id = idFrom((await testbed.publishOne(document)).json);
    const { json } = await manager.get(`/schedules/${id}`);
    expect(json).toMatchObject({ channel: 'sch.storage', event, key: 'k', uid: null, data: 1, store: -1 });
  });

  it('come a page at a time, each once, in the order of their names', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push(idFrom((await testbed.publishOne({ channel: `sch.${n}`, event: 'e', scheduleExpression })).json));
    }
    const all = idsOf(await manager.pages('/schedules', 'schedules', 2));
    expect(all).toEqual([...new Set(all)].sort());
    expect(all).toEqual(expect.arrayContaining(ids));
  });
});

describe('who asks', () => {
  const LISTS = [
    ...['/connections', '/connections/x', '/channels', '/schedules', '/schedules/x'],
    ...['/channels/c/messages', '/dead-letters', '/dead-letters/x'],
  ];

  it.each([
    ['/connections?user=x', 'UNKNOWN_FIELD'],
    ['/connections?uid=', 'INVALID_TYPE'],
    ['/connections?uid=a&uid=b', 'INVALID_TYPE'],
    ['/connections?uid=%00', 'INVALID_TYPE'],
    ['/connections?uid=%ff', 'INVALID_TYPE'],
    ['/connections?after=%zz', 'INVALID_TYPE'],
    ['/channels?prefix=a%', 'INVALID_TYPE'],
    ['/channels/c/storage?after=%ed%a0%80', 'INVALID_TYPE'],
    ['/connections?address=203.0.113', 'INVALID_TYPE'],
    ['/connections?address=10.0.0.0/33', 'INVALID_TYPE'],
    ['/connections?channel=a%20b', 'INVALID_CHANNEL'],
    ['/connections?limit=0', 'INVALID_TYPE'],
    ['/connections?limit=1001', 'INVALID_TYPE'],
    ['/connections?limit=1e2', 'INVALID_TYPE'],
    ['/connections/x?uid=u1', 'UNKNOWN_FIELD'],
    ['/channels?channel=c', 'UNKNOWN_FIELD'],
    ['/channels?prefix=', 'INVALID_TYPE'],
    ['/schedules?prefix=c', 'UNKNOWN_FIELD'],
    ['/schedules?after=%00', 'INVALID_TYPE'],
    ['/schedules/x?y=1', 'UNKNOWN_FIELD'],
    ['/channels/c/messages?reverse=yes', 'INVALID_TYPE'],
    ['/channels/c/messages?after=x', 'INVALID_TYPE'],
    ['/channels/c/messages?before=01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', 'INVALID_TYPE'],
    ['/channels/c/messages/01J9ZK3V7Q8W2X5Y6ABCDEFGHJ/delivery?user=u1', 'UNKNOWN_FIELD'],
    ['/dead-letters?target=', 'INVALID_TYPE'],
    ['/dead-letters/x?y=1', 'UNKNOWN_FIELD'],
  ])('%s with a mistake is told %s, by its name', async (path, code) => {
    const { status, json } = await manager.get(path);
    expect([status, json.error.code]).toEqual([400, code]);
    expect(json.error.message).toContain(/[?&](\w+)=/.exec(path)?.[1]);
  });

  it('and dead letters: an id or a target that is none is an error of the request', async () => {
    const codes = await Promise.all([
      manager.get('/dead-letters/%00'),
      manager.post('/dead-letters/%00/retry', {}),
      manager.post('/dead-letters/retry', { target: '\u0000' }),
      manager.post('/dead-letters/retry', { target: '' }),
    ]);
    expect(codes.map(({ json }) => json.error.code)).toEqual([
      'NOT_FOUND',
      'NOT_FOUND',
      'INVALID_TYPE',
      'INVALID_TYPE',
    ]);
  });

  it('needs an API key or the admin token, which is good for nothing else', async () => {
    for (const path of LISTS) {
      for (const token of ['', 'wrong', `${ADMIN_TOKEN}x`, API_KEY.slice(1)]) {
        const { status, headers, json } = await manager.as(token).get(path);
        const refused = [status, headers.get('www-authenticate'), json.error.code];
        expect([path, token, ...refused]).toEqual([path, token, 401, 'Bearer', 'UNAUTHORIZED']);
      }
      const codes = [(await manager.get(path)).status, (await manager.as(API_KEY).get(path)).status];
      expect([path, ...codes]).toEqual([path, ...(path.endsWith('/x') ? [404, 404] : [200, 200])]);
    }
    expect((await manager.get('/channels/c')).status).toBe(200);
    expect((await manager.post('/publish', { channel: 'c', event: 'e' })).status).toBe(401);
    expect((await manager.post('/publish/batch', [{ channel: 'c', event: 'e' }])).status).toBe(401);
  });

  it.each([
    ['admin', [200, 401]],
    ['off', [404, 404]],
  ])('with HEARTH_MANAGEMENT_AUTH=%s, the admin token and an API key are answered %j', async (auth, statuses) => {
    const publishApi = await testbed.add('publish-api', { HEARTH_MANAGEMENT_AUTH: auth });
    const other = new Manager(testbed, ADMIN_TOKEN, publishApi);
    for (const path of LISTS.filter((path) => !path.endsWith('/x'))) {
      const codes = [(await other.get(path)).status, (await other.as(API_KEY).get(path)).status];
      expect([path, ...codes]).toEqual([path, ...statuses]);
    }
    expect((await other.as(API_KEY).get('/channels/c')).status).toBe(200);
    expect((await other.get('/channels/c')).status).toBe(auth === 'off' ? 401 : 200);
  });
});

describe('messages of a channel', () => {
  const publish = async (more: object) => {
    const answer = await manager.as(API_KEY).post('/publish', { channel: 'kept', event: 'e', ...more });
    expect(answer.status).toBe(202);
  };

  it('that are stored are listed in both directions, a page at a time, right after they were accepted', async () => {
    for (let data = 1; data <= 5; data++) await publish({ data, store: data === 3 ? 0 : 600 });
    const first = (await manager.get('/channels/kept/messages?limit=1')).json;
    expect(first).toEqual({
      messages: [{ id: first.next, event: 'e', channel: 'kept', data: 1, meta: { uid: null, umd: null } }],
      next: expect.stringMatching(/^[0-9A-Z]{26}$/),
    });
    const dataOf = (messages: Frame[]) => messages.map(({ data }) => data);
    expect(dataOf(await manager.pages('/channels/kept/messages', 'messages', 3))).toEqual([1, 2, 4, 5]);
    const newest = (await manager.get('/channels/kept/messages?reverse=true&limit=2')).json;
    expect(dataOf(newest.messages)).toEqual([5, 4]);
    const rest = (await manager.get(`/channels/kept/messages?reverse=true&before=${newest.next}`)).json;
    expect([dataOf(rest.messages), rest.next]).toEqual([[2, 1], null]);
    expect((await manager.get('/channels/empty/messages')).json).toEqual({ messages: [], next: null });
  });
});

describeInspector(() => ({ manager, open }));

describe('a gateway that does not answer', () => {
  it('makes lists incomplete, and is itself unavailable', async () => {
    const paused = testbed.gateways[1]!;
    const there = await open(1, { uid: 'paused' });
    const here = await open(0, { uid: 'paused' });
    await pauseProcess(paused.pid);
    try {
      const { status, json } = await manager.get('/connections?uid=paused');
      expect([status, idsOf(json.connections), json.total, json.complete]).toEqual([200, [idOf(here)], 1, false]);
      expect((await manager.get('/channels')).json.complete).toBe(false);
      expect((await manager.get(`/connections/${idOf(there)}`)).status).toBe(503);
    } finally {
      resumeProcess(paused.pid);
    }
    await eventually(async () => {
      const { json } = await manager.get('/connections?uid=paused');
      expect([idsOf(json.connections), json.complete]).toEqual([orderOf(here, there), true]);
    });
  });
});
