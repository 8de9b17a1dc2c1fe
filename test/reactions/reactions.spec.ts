import { PullConsumer, StreamConnection } from '@hearth/stream';
import { io } from 'socket.io-client';
import { Client, connectToken, secondsOf, subscribeToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';

const REACTION = 'hotsock.messageReaction';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

/** Claims of somebody who sees all of a channel's history. */
const grant = (channel: string, messages: object, more: object = {}, uid = 'u1') => ({
  uid,
  channels: { [channel]: { subscribe: true, historyStart: 0, messages, ...more } },
});
const REACT = { '*': { react: true } };

async function subscribed(channel: string, claims: Record<string, unknown>, gateway = 0): Promise<Client> {
  const client = await testbed.connect(claims, testbed.gateways[gateway]);
  await client.subscribe(channel);
  return client;
}

/** A stored message of a backend. */
async function stored(channel: string, more: object = {}): Promise<string> {
  const watcher = await subscribed(channel, { channels: { [channel]: { subscribe: true } } }, 1);
  await testbed.publish({ channel, event: 'chat', data: 'hi', store: 600, ...more });
  const { id } = await watcher.ws.next(({ event }) => !event.startsWith('hotsock.'));
  await watcher.ws.close();
  return id as string;
}

const reactionTo = (messageId: string, reaction = '👍', action = 'add') => ({ messageId, reaction, action });
const react = (client: Client, channel: string, data: object) => client.ws.send({ event: REACTION, channel, data });
const reactOverHttp = (client: Client, channel: string, data: object, more: object = {}) =>
  client.call('publishMessage', { channel, event: REACTION, data, ...more });

/** Waits until the channel is quiet by a message of its own. @returns reaction frames so far */
async function reactionFrames(client: Client, channel: string): Promise<Frame[]> {
  const event = `mark-${Math.random()}`;
  await testbed.publish({ channel, event });
  await client.ws.next(event);
  return client.ws.frames.filter((frame) => frame.event.startsWith(REACTION));
}

async function refusal(client: Client): Promise<string> {
  return (await client.ws.next('hotsock.error')).error.code as string;
}

async function listed(client: Client, channel: string, messageId: string): Promise<unknown> {
  const { status, json } = await client.call('listReactions', { channel, messageId });
  return status === 200 ? json.reactions : [status, json.error.code];
}

describe('a reaction over a socket', () => {
  it('is told to everybody but its own connection: one frame for each change', async () => {
    const messageId = await stored('toggle');
    const client = await subscribed('toggle', { ...grant('toggle', REACT), umd: { n: 1 } });
    const sameUser = await subscribed('toggle', grant('toggle', REACT), 1);
    for (const action of ['add', 'add', 'remove', 'remove'])
      react(client, 'toggle', reactionTo(messageId, 'x', action));
    client.ws.send({ event: 'hotsock.ping' });
    await client.ws.next('hotsock.pong');
    const frames = await reactionFrames(sameUser, 'toggle');
    const [added, removed] = frames;
    const meta = { uid: 'u1', umd: { n: 1 } };
    const frame = (event: string, action: string) => ({
      ...{ id: expect.stringMatching(/^[0-9A-Z]{26}$/) as unknown, event, channel: 'toggle', meta },
      data: { messageId, reaction: 'x', action },
    });
    expect(frames).toEqual([
      frame('hotsock.messageReactionAdded', 'add'),
      frame('hotsock.messageReactionRemoved', 'remove'),
    ]);
    expect(removed.id > added.id).toBe(true);
    expect(await reactionFrames(client, 'toggle')).toEqual([]);
  });

  it('comes back to its connection with echo for the reaction event', async () => {
    const messageId = await stored('echo');
    const claims = grant('echo', { ...REACT, [REACTION]: { echo: true } });
    const client = await subscribed('echo', claims);
    react(client, 'echo', reactionTo(messageId));
    expect((await client.ws.next('hotsock.messageReactionAdded')).data).toEqual(reactionTo(messageId));
  });

  it('counts users and keeps values apart', async () => {
    const messageId = await stored('count');
    const clients = await Promise.all(['u1', 'u2'].map((uid) => subscribed('count', grant('count', REACT, {}, uid))));
    for (const client of clients) {
      expect((await reactOverHttp(client, 'count', reactionTo(messageId, 'a'))).status).toBe(202);
    }
    expect((await reactOverHttp(clients[1]!, 'count', reactionTo(messageId, 'b'))).status).toBe(202);
    const [message] = await clients[0]!.list({ channel: 'count' });
    expect(message.reactions).toEqual({ a: { count: 2 }, b: { count: 1 } });
  });

  it('can follow its message at once', async () => {
    const channel = 'at-once';
    const client = await subscribed(
      channel,
      grant(channel, { chat: { publish: true, echo: true, store: 60, react: true } }),
    );
    for (let i = 0; i < 20; i++) {
      client.ws.send({ event: 'chat', channel, data: i });
      const { id } = await client.ws.next('chat');
      react(client, channel, reactionTo(id as string));
    }
    const frames = await eventually(async () => {
      const other = await subscribed(channel, grant(channel, REACT, {}, 'other'));
      const page = await other.list({ channel });
      expect(page.filter(({ reactions }) => reactions !== undefined)).toHaveLength(20);
      return page;
    });
    expect(frames).toHaveLength(20);
    expect(client.ws.frames.filter(({ event }) => event === 'hotsock.error')).toEqual([]);
  });

  it('may name its channel by an alias, and its message in lower case', async () => {
    const messageId = await stored('alias-1');
    const claims = {
      uid: 'u1',
      channels: { 'alias-1': { subscribe: true, historyStart: 0, alias: 'a', messages: REACT } },
    };
    const client = await subscribed('a', claims);
    const { json, status } = await reactOverHttp(client, 'a', reactionTo(messageId.toLowerCase()));
    expect([status, json]).toEqual([202, { id: null, event: REACTION, channel: 'alias-1' }]);
    expect(await listed(client, 'a', messageId)).toEqual([{ reaction: '👍', uid: 'u1' }]);
  });

  it('works over Socket.IO, with an acknowledgement once it is accepted', async () => {
    const messageId = await stored('sio');
    const socket = io(testbed.gateways[0]!.httpUrl, {
      transports: ['websocket'],
      auth: {
        token: connectToken(grant('sio', REACT)),
      },
    });
    const watcher = await subscribed('sio', grant('sio', {}), 1);
    try {
      expect((await socket.emitWithAck('hotsock.subscribe', { channel: 'sio' })).event).toBe('hotsock.subscribed');
      const bad = await socket.emitWithAck(REACTION, { channel: 'sio', data: reactionTo(messageId, '#') });
      expect(bad.error.code).toBe('INVALID_REACTION');
      await socket.emitWithAck(REACTION, { channel: 'sio', data: reactionTo(messageId) });
      expect((await watcher.ws.next('hotsock.messageReactionAdded')).data.messageId).toBe(messageId);
    } finally {
      socket.close();
    }
  });
});

/** tokens-and-claims, vectors R1 to R5. */
describe('permission to react', () => {
  const channel = 'vectors';
  let messageId: string;
  beforeAll(async () => (messageId = await stored(channel)));

  it.each<[string, object, string, string | undefined]>([
    ['R1, a listed value', { chat: { react: ['x'] } }, 'x', undefined],
    ['R1, another value', { chat: { react: ['x'] } }, 'y', 'REACTION_PERMISSION_DENIED'],
    ['R2, the union of lists', { chat: { react: ['x'] }, '*': { react: ['y'] } }, 'y', undefined],
    ['R3, an explicit false', { chat: { react: true }, '*': { react: false } }, 'x', 'REACTION_PERMISSION_DENIED'],
    ['R5, publish of the reaction event', { [REACTION]: { publish: true } }, 'x', 'REACTION_PERMISSION_DENIED'],
    ['react for another event', { other: { react: true } }, 'x', 'REACTION_PERMISSION_DENIED'],
  ])('%s', async (_, messages, value, code) => {
    for (const uid of ['u1', 'u2']) {
      const client = await subscribed(channel, grant(channel, messages, {}, uid));
      const answer = await reactOverHttp(client, channel, reactionTo(messageId, value));
      expect([answer.status, answer.json.error?.code]).toEqual(code === undefined ? [202, undefined] : [403, code]);
      if (code === undefined) continue;
      react(client, channel, reactionTo(messageId, value));
      expect(await refusal(client)).toBe(code);
    }
  });

  it('R4: needs a uid, a subscription and a stored message, in this order of checks: NOT_SUBSCRIBED first', async () => {
    const noUid = await subscribed(channel, { ...grant(channel, REACT), uid: undefined });
    const notSubscribed = await testbed.connect(grant(channel, REACT));
    const client = await subscribed(channel, grant(channel, {}));
    const missing = reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ');
    for (const [who, data, status, code] of [
      [noUid, reactionTo(messageId), 403, 'REACTION_USER_ID_REQUIRED'],
      [noUid, missing, 403, 'REACTION_USER_ID_REQUIRED'],
      [notSubscribed, missing, 403, 'NOT_SUBSCRIBED'],
      [client, missing, 404, 'MESSAGE_NOT_FOUND'],
    ] as const) {
      const answer = await reactOverHttp(who, channel, data);
      expect([answer.status, answer.json.error.code]).toEqual([status, code]);
      react(who, channel, data);
      expect(await refusal(who)).toBe(code);
    }
  });

  it('may come from a subscribe token', async () => {
    const client = await testbed.connect({ uid: 'u7' });
    await client.subscribe(channel, subscribeToken(grant(channel, REACT, {}, 'u7')));
    expect((await reactOverHttp(client, channel, reactionTo(messageId, 'st'))).status).toBe(202);
  });
});

describe('what can be reacted to', () => {
  it('is stored: not a message that was only passed on, nor one of another channel, nor one that has ended', async () => {
    const passedOn = await stored('targets', { store: 0 });
    const elsewhere = await stored('targets-2');
    const ended = await stored('targets', { store: 1 });
    const client = await subscribed('targets', grant('targets', REACT));
    for (const messageId of [passedOn, elsewhere]) {
      react(client, 'targets', reactionTo(messageId));
      expect(await refusal(client)).toBe('MESSAGE_NOT_FOUND');
    }
    await eventually(async () => {
      expect((await reactOverHttp(client, 'targets', reactionTo(ended))).status).toBe(404);
    });
  });

  it('may be from before the subscription, at both doors; its reactions are listed where it is visible', async () => {
    const channel = 'window';
    const messageId = await stored(channel);
    const [later, seesAll] = await Promise.all([
      subscribed(channel, grant(channel, REACT, { historyStart: undefined })),
      subscribed(channel, grant(channel, REACT, { historyStart: secondsOf(messageId) })),
    ]);
    react(later, channel, reactionTo(messageId, 'socket'));
    expect((await seesAll.ws.next('hotsock.messageReactionAdded')).data.reaction).toBe('socket');
    expect((await reactOverHttp(later, channel, reactionTo(messageId, 'http'))).status).toBe(202);
    expect((await seesAll.ws.next('hotsock.messageReactionAdded')).data.reaction).toBe('http');
    expect(await listed(later, channel, messageId)).toEqual([404, 'MESSAGE_NOT_FOUND']);
  });

  it.each([
    ['no messageId', { reaction: 'x', action: 'add' }],
    ['an id that is none', { messageId: 'x', reaction: 'x', action: 'add' }],
    ['another action', reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', 'x', 'toggle')],
    ['a number sign', reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', 'a#')],
    ['a blank value', reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', ' ')],
    ['101 bytes', reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', `${'é'.repeat(50)}x`)],
  ])('must be said well: %s', async (_, data) => {
    const client = await subscribed('said', grant('said', REACT));
    react(client, 'said', data);
    expect(await refusal(client)).toBe('INVALID_REACTION');
    const answer = await reactOverHttp(client, 'said', data);
    expect([answer.status, answer.json.error.code]).toEqual([400, 'INVALID_REACTION']);
  });
});

describe('reading reactions', () => {
  it('shows counts, or who reacted, in the order of adding', async () => {
    const channel = 'reading';
    const [plain, loved] = [await stored(channel), await stored(channel)];
    const clients = await Promise.all(
      ['u2', 'u1'].map((uid) =>
        subscribed(channel, { ...grant(channel, REACT, {}, uid), ...(uid === 'u2' && { umd: [1] }) }),
      ),
    );
    const [first, second] = clients as [Client, Client];
    await reactOverHttp(first, channel, reactionTo(loved, 'b'));
    await reactOverHttp(second, channel, reactionTo(loved, 'a'));
    await reactOverHttp(second, channel, reactionTo(loved, 'b'));
    const counts = await first.list({ channel });
    expect(counts.map(({ id, reactions }) => [id, reactions])).toEqual([
      [plain, undefined],
      [loved, { b: { count: 2 }, a: { count: 1 } }],
    ]);
    expect('reactions' in counts[0]).toBe(false);
    const expanded = await first.list({ channel, expandReactions: true });
    expect(JSON.stringify(expanded.map(({ reactions }) => reactions))).toBe(
      '[{},{"b":{"count":2,"items":[{"uid":"u2","umd":[1]},{"uid":"u1"}]},"a":{"count":1,"items":[{"uid":"u1"}]}}]',
    );
    expect(await listed(first, channel, loved)).toEqual([
      { reaction: 'b', uid: 'u2', umd: [1] },
      { reaction: 'b', uid: 'u1' },
      { reaction: 'a', uid: 'u1' },
    ]);
    expect(await listed(first, channel, plain)).toEqual([]);
  });

  it('needs the subscription for listReactions, whatever historyStart says', async () => {
    const messageId = await stored('list');
    const client = await testbed.connect(grant('list', REACT));
    expect(await listed(client, 'list', messageId)).toEqual([403, 'NOT_SUBSCRIBED']);
    await client.subscribe('list');
    expect(await listed(client, 'list', messageId)).toEqual([]);
    expect(await listed(client, 'list', '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ')).toEqual([404, 'MESSAGE_NOT_FOUND']);
    const { status, json } = await client.call('listReactions', { channel: 'list' });
    expect([status, json.error.code]).toEqual([400, 'MISSING_FIELD']);
  });

  it('sees what sockets sent before', async () => {
    const messageId = await stored('sockets');
    const client = await subscribed('sockets', grant('sockets', REACT));
    for (let i = 0; i < 10; i++) {
      react(client, 'sockets', reactionTo(messageId, `v${i}`));
      client.ws.send({ event: 'hotsock.ping' });
      await client.ws.next('hotsock.pong');
      expect(await listed(client, 'sockets', messageId)).toHaveLength(i + 1);
    }
  });
});

describe('a backend that reacts', () => {
  const asServer = (channel: string, data: object, more: object = {}) =>
    testbed.publishOne({ channel, event: REACTION, data, ...more });

  it('does so as one anonymous user, or in the name of a user', async () => {
    const channel = 'server';
    const messageId = await stored(channel);
    const client = await subscribed(channel, grant(channel, REACT));
    expect(await asServer(channel, reactionTo(messageId))).toMatchObject({
      status: 202,
      json: { channel, event: REACTION },
    });
    await asServer(channel, reactionTo(messageId));
    await asServer(channel, { ...reactionTo(messageId), uid: 'u9', umd: { a: 1 } });
    expect(await listed(client, channel, messageId)).toEqual([
      { reaction: '👍', uid: null },
      { reaction: '👍', uid: 'u9', umd: { a: 1 } },
    ]);
    expect((await reactionFrames(client, channel)).map(({ meta }) => meta)).toEqual([
      { uid: null, umd: null },
      { uid: 'u9', umd: { a: 1 } },
    ]);
  });

  it('can not stop a partition by a uid that Postgres can not hold', async () => {
    const messageId = await stored('broken-uid');
    for (const uid of ['\u0000', '\ud800', 'x'.repeat(129), 7]) {
      const { status, json } = await asServer('broken-uid', { ...reactionTo(messageId), uid });
      expect([status, json.error.code]).toEqual([400, 'INVALID_REACTION']);
      expect(json.error.message).toContain('data.uid');
    }
    expect((await asServer('broken-uid', reactionTo(messageId))).status).toBe(202);
  });

  it('is told when the message is not there, in a batch too, which publishes nothing then', async () => {
    const data = reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ');
    const one = await asServer('server-404', data);
    expect([one.status, one.json.error.code]).toEqual([404, 'MESSAGE_NOT_FOUND']);
    const watcher = await subscribed('server-404', grant('server-404', {}));
    const all = await testbed.publishBatch([
      { channel: 'server-404', event: 'e' },
      { channel: 'server-404', event: REACTION, data },
    ]);
    expect([all.status, all.json.error]).toEqual([
      404,
      expect.objectContaining({ code: 'MESSAGE_NOT_FOUND', index: 1 }),
    ]);
    await testbed.publish({ channel: 'server-404', event: 'last' });
    await watcher.ws.next('last');
    expect(watcher.ws.frames.map(({ event }) => event)).not.toContain('e');
  });

  it('is promised no id, for what changes nothing has none', async () => {
    const channel = 'server-eager';
    const messageId = await stored(channel);
    for (const action of ['add', 'add']) {
      const answer = await asServer(channel, reactionTo(messageId, '👍', action), { eagerIdGeneration: true });
      expect([answer.status, answer.text]).toEqual([202, JSON.stringify({ channel, event: REACTION })]);
    }
  });

  it('may repeat itself under one deduplicationId', async () => {
    const channel = 'server-dedup';
    const messageId = await stored(channel);
    const client = await subscribed(channel, grant(channel, REACT));
    await asServer(channel, reactionTo(messageId), { deduplicationId: 'd1' });
    await asServer(channel, reactionTo(messageId, '👍', 'remove'));
    expect((await asServer(channel, reactionTo(messageId), { deduplicationId: 'd1' })).status).toBe(202);
    expect(await listed(client, channel, messageId)).toEqual([]);
  });

  it('cannot schedule it', async () => {
    const schedule = { scheduleExpression: 'at(2040-01-01T00:00:00)' };
    const answer = await asServer('c', reactionTo('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ'), schedule);
    expect([answer.status, answer.json.error.code]).toEqual([400, 'INVALID_SCHEDULE']);
  });
});

describe('events of reactions', () => {
  async function events(channel: string, count: number): Promise<Frame[]> {
    const silent = { info: () => undefined, warn: () => undefined };
    const connection = await StreamConnection.open({ natsUrls: [testbed.nats.url] }, 'test', silent);
    try {
      const subject = `hearth.events.v1.messageReaction.*.${channel}`;
      const consumer = await eventually(() => PullConsumer.open(connection, 'HEARTH_EVENTS', 'first', subject));
      const found: Frame[] = [];
      while (found.length < count) {
        for (const { payload } of await consumer.next(10)) found.push(JSON.parse(Buffer.from(payload).toString()));
      }
      consumer.close();
      return found;
    } finally {
      await connection.close();
    }
  }

  it('describe the request that added, for a removal by another connection too', async () => {
    const channel = 'events';
    const messageId = await stored(channel, { store: 3_600 });
    const messages = { chat: { react: true, emitPubSubEvent: true } };
    const [adder, remover] = await Promise.all([
      subscribed(channel, { ...grant(channel, messages), umd: { n: 1 } }),
      subscribed(channel, grant(channel, messages), 1),
    ]);
    react(adder, channel, reactionTo(messageId));
    await remover.ws.next('hotsock.messageReactionAdded');
    react(remover, channel, reactionTo(messageId, '👍', 'remove'));
    const [added, removed] = await events(channel, 2);
    expect(added).toMatchObject({
      type: 'hotsock.messageReactionAdded',
      dataType: 'messageReaction',
      metadata: { channel, reaction: '👍', trigger: 'client.websocket', connectionId: adder.id },
      data: {
        channel,
        messageId,
        reaction: '👍',
        uid: 'u1',
        umd: { n: 1 },
        expiresAt: expect.stringMatching(/:\d\dZ$/),
      },
    });
    expect(removed.type).toBe('hotsock.messageReactionRemoved');
    expect([removed.metadata, removed.data]).toEqual([added.metadata, added.data]);
  });

  it('come only where the claims of the target event, or the backend, ask for them', async () => {
    const channel = 'gated';
    const messageId = await stored(channel);
    const messages = { chat: { react: true }, [REACTION]: { emitPubSubEvent: true } };
    const client = await subscribed(channel, grant(channel, messages));
    await reactOverHttp(client, channel, reactionTo(messageId, 'no'));
    const body = { channel, event: REACTION, emitPubSubEvent: true, data: reactionTo(messageId, 'yes') };
    await testbed.publishOne(body);
    const [first] = await events(channel, 1);
    expect(first.data).toMatchObject({ reaction: 'yes', uid: null, umd: null });
    expect(first.metadata.trigger).toBe('server.http');
  });
});
