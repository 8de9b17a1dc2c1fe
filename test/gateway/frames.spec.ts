import { eventually } from '../support/eventually';
import type { WsClient } from '../support/ws-client';
import { EVERYTHING, subscribe, subscribeToken } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** What clients send and what they get for it (websocket-protocol §3–§7). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const open: WsClient[] = [];
afterEach(() => Promise.all(open.splice(0).map((client) => client.close())));

async function client(claims: Record<string, unknown> = {}): Promise<WsClient> {
  const made = await testbed.gateway.connect(claims);
  open.push(made);
  return made;
}

/** The text of the next frame that came after `made` was last asked. */
async function answerTo(made: WsClient, frame: object | string): Promise<string> {
  const before = made.texts.length;
  made.send(frame);
  return eventually(() => {
    const text = made.texts[before];
    if (text === undefined) throw new Error('no answer yet');
    return text;
  });
}

describe('frames as specified (§4), byte by byte', () => {
  it('hotsock.subscribed and hotsock.unsubscribed of a standard channel', async () => {
    const made = await client({ channels: { c1: { subscribe: true } } });
    expect(await answerTo(made, '{"event":"hotsock.subscribe","channel":"c1"}')).toBe(
      '{"event":"hotsock.subscribed","channel":"c1","data":{},"meta":{"uid":null,"umd":null}}',
    );
    expect(await answerTo(made, '{"event":"hotsock.unsubscribe","channel":"c1"}')).toBe(
      '{"event":"hotsock.unsubscribed","channel":"c1","data":{}}',
    );
  });

  it('the same with an alias', async () => {
    const made = await client({ uid: 'u1', umd: { n: 1 }, channels: { c1: { subscribe: true, alias: 'a1' } } });
    expect(await answerTo(made, '{"event":"hotsock.subscribe","channel":"a1"}')).toBe(
      '{"event":"hotsock.subscribed","channel":"c1","data":{},"meta":{"channelAlias":"a1","uid":"u1","umd":{"n":1}}}',
    );
    expect(await answerTo(made, '{"event":"hotsock.unsubscribe","channel":"a1"}')).toBe(
      '{"event":"hotsock.unsubscribed","channel":"c1","data":{},"meta":{"channelAlias":"a1","uid":"u1","umd":{"n":1}}}',
    );
  });

  it('the same by autoSubscribe, in the order of the claim, before any frame of the client is processed', async () => {
    const channels = {
      z: { autoSubscribe: true },
      a: { autoSubscribe: true, subscribe: false },
      m: { autoSubscribe: true },
    };
    const made = await client({ channels });
    made.send('{"event":"hotsock.ping"}');
    await made.next('hotsock.pong');
    expect(made.texts.slice(1)).toEqual([
      '{"event":"hotsock.subscribed","channel":"z","data":{"autoSubscribed":true},"meta":{"uid":null,"umd":null}}',
      expect.stringMatching(
        /^{"event":"hotsock.error","channel":"a","error":{"code":"SUBSCRIBE_PERMISSION_DENIED","message":".+"}}$/,
      ),
      '{"event":"hotsock.subscribed","channel":"m","data":{"autoSubscribed":true},"meta":{"uid":null,"umd":null}}',
      '{"event":"hotsock.pong","data":"{}"}',
    ]);
    expect(await answerTo(made, { event: 'hotsock.subscribe', channel: 'z' })).toMatch(/"ALREADY_SUBSCRIBED"/);
  });

  it('an alias-bound client that subscribes at once finds its auto-subscription', async () => {
    const made = await client({ channels: { 'user.1': { autoSubscribe: true, alias: 'user' } } });
    made.send({ event: 'hotsock.subscribe', channel: 'user' });
    expect(await made.next('hotsock.error')).toMatchObject({ channel: 'user', error: { code: 'ALREADY_SUBSCRIBED' } });
    expect(made.frames.map((frame) => frame.event)).toEqual([
      'hotsock.connected',
      'hotsock.subscribed',
      'hotsock.error',
    ]);
  });

  it('hotsock.pong', async () => {
    expect(await answerTo(await client(), '{"event":"hotsock.ping"}')).toBe('{"event":"hotsock.pong","data":"{}"}');
  });

  it('a message of a client, with its data as it was written', async () => {
    const [a, b] = [await client({ ...EVERYTHING, uid: 'u1', umd: { n: 1 } }), await client(EVERYTHING)];
    await Promise.all([subscribe(a, 'c1'), subscribe(b, 'c1')]);
    const data = '{"b":12345678901234567890,"2":"é","1":"\\u00e9","x":1e2}';
    a.send(`{"data": ${data} ,"event":"chat","channel":"c1","store":60,"eagerIdGeneration":true,"meta":{"uid":"x"}}`);
    for (const made of [a, b]) {
      const { id } = await made.next('chat');
      expect(made.texts.at(-1)).toBe(
        `{"id":"${id}","event":"chat","channel":"c1","data":${data},"meta":{"uid":"u1","umd":{"n":1}}}`,
      );
      expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    }
  });

  it('a message without data has data null, a server message has no meta', async () => {
    const made = await client(EVERYTHING);
    await subscribe(made, 'c1');
    made.send({ event: 'chat', channel: 'c1' });
    expect(await made.next('chat')).toMatchObject({ data: null, meta: { uid: null, umd: null } });
    const id = await testbed.sequencer.publish('c1', null);
    await made.next('e');
    expect(made.texts.at(-1)).toBe(`{"id":"${id}","event":"e","channel":"c1","data":null}`);
  });

  it('nothing for a pong and a heartbeat', async () => {
    const made = await client();
    made.send('{"event":"hotsock.pong"}');
    made.send('{"event":"hotsock.heartbeat","channel":"x"}');
    expect(await answerTo(made, '{"event":"hotsock.ping"}')).toContain('hotsock.pong');
    expect(made.frames).toHaveLength(2);
  });
});

it.each([
  ['a subscription is under way', false],
  ['it is subscribed automatically', true],
])('what a client sends before it goes is done, although %s by then', async (_, isAutomatic) => {
  const channel = `presence.brief-${isAutomatic}`;
  const witness = await client(EVERYTHING);
  await subscribe(witness, 'brief');
  const claims = isAutomatic ? { autoSubscribe: true } : { subscribe: true };
  const brief = await testbed.gateway.connect({
    uid: 'u',
    channels: { [channel]: claims, brief: { messages: { e: { publish: true, broadcast: true } } } },
  });
  const { connectionId } = (await brief.connected()).data;
  if (!isAutomatic) brief.send({ event: 'hotsock.subscribe', channel });
  for (const data of [1, 2]) brief.send({ event: 'e', channel: 'brief', data });
  await brief.close();
  const { joins } = testbed.sequencer;
  await testbed.sequencer.letIn(
    await eventually(() => {
      const join = joins.find((one) => one.connectionId === connectionId);
      if (join === undefined) throw new Error('nobody has asked to enter yet');
      return join;
    }),
  );
  await eventually(() => expect(witness.frames.filter(({ event }) => event === 'e')).toHaveLength(2));
  await eventually(async () =>
    expect(await testbed.gateway.metrics.text()).toMatch(/^hearth_connections{transport="websocket"} 1$/m),
  );
});

describe('bad input is answered and never ends the connection (§6)', () => {
  const long = 'x'.repeat(32_769);
  it.each([
    ['empty text', '', 'MALFORMED_MESSAGE', undefined],
    ['text that is not JSON', '{"event":"hotsock.ping"', 'MALFORMED_MESSAGE', undefined],
    ['binary that is not UTF-8', Buffer.from([0xff, 0xfe]), 'MALFORMED_MESSAGE', undefined],
    ['a number', '5', 'MALFORMED_MESSAGE', undefined],
    ['null', 'null', 'MALFORMED_MESSAGE', undefined],
    ['an array', '[{"event":"hotsock.ping"}]', 'MALFORMED_MESSAGE', undefined],
    ['no event', '{"channel":"c"}', 'MISSING_FIELD', 'c'],
    ['event null', '{"event":null,"channel":"c"}', 'MISSING_FIELD', 'c'],
    ['event empty', '{"event":"","channel":"c"}', 'MISSING_FIELD', 'c'],
    ['event of the wrong type', '{"event":["x"],"channel":"c"}', 'INVALID_TYPE', 'c'],
    ['channel of the wrong type', '{"event":"x","channel":{}}', 'INVALID_TYPE', undefined],
    ['an unknown reserved event', '{"event":"hotsock.nope","channel":"c"}', 'UNKNOWN_EVENT', 'c'],
    ['the bare reserved prefix', '{"event":"hotsock."}', 'UNKNOWN_EVENT', undefined],
    ['an asterisk in the event', '{"event":"a*","channel":"c"}', 'INVALID_EVENT', 'c'],
    ['a leading number sign in the event', '{"event":"#a","channel":"c"}', 'INVALID_EVENT', 'c'],
    ['an event of 129 characters', `{"event":"${'é'.repeat(129)}","channel":"c"}`, 'INVALID_EVENT', 'c'],
    ['no channel', '{"event":"x"}', 'MISSING_FIELD', undefined],
    ['subscribe without a channel', '{"event":"hotsock.subscribe","data":{}}', 'MISSING_FIELD', undefined],
    ['unsubscribe without a channel', '{"event":"hotsock.unsubscribe"}', 'MISSING_FIELD', undefined],
    ['a channel with an asterisk', '{"event":"x","channel":"a*"}', 'INVALID_CHANNEL', 'a*'],
    ['a channel with white space', '{"event":"hotsock.subscribe","channel":"a b"}', 'INVALID_CHANNEL', 'a b'],
    ['data that is too large', `{"event":"x","channel":"c","data":"${long}"}`, 'DATA_TOO_LARGE', 'c'],
    [
      'a subscribe token that is no string',
      '{"event":"hotsock.subscribe","channel":"c","data":{"token":5}}',
      'INVALID_SUBSCRIBE_TOKEN',
      'c',
    ],
    [
      'a schedule that is none',
      '{"event":"x","channel":"c","scheduleExpression":"rate(1 minute)"}',
      'INVALID_SCHEDULE',
      'c',
    ],
    ['a reaction without its members', '{"event":"hotsock.messageReaction","channel":"c"}', 'INVALID_REACTION', 'c'],
    ['a channel that may not be published to', '{"event":"x","channel":"c"}', 'PUBLISH_PERMISSION_DENIED', 'c'],
    ['a channel that is not subscribed', '{"event":"hotsock.unsubscribe","channel":"c"}', 'NOT_SUBSCRIBED', 'c'],
    [
      'a channel that may not be subscribed',
      '{"event":"hotsock.subscribe","channel":"c"}',
      'SUBSCRIBE_PERMISSION_DENIED',
      'c',
    ],
  ])('%s', async (_what, input, code, channel) => {
    const made = await client();
    made.socket.send(input);
    made.socket.send('{"event":"hotsock.ping"}');
    await made.next('hotsock.pong');
    const error = made.frames[1];
    expect(error).toEqual({
      event: 'hotsock.error',
      ...(channel === undefined ? {} : { channel }),
      error: { code, message: expect.stringMatching(/.../) },
    });
    expect(Object.keys(error)).toEqual(channel === undefined ? ['event', 'error'] : ['event', 'channel', 'error']);
    expect(made.frames[2].event).toBe('hotsock.pong');
  });

  it('names the type that came', async () => {
    expect(await answerTo(await client(), '{"event":["x"]}')).toContain('event must be a string, got an array');
  });

  it('takes a binary message that holds UTF-8 JSON', async () => {
    const made = await client();
    made.socket.send(Buffer.from('{"event":"hotsock.ping"}'));
    await made.next('hotsock.pong');
  });
});

describe('permissions (tokens-and-claims §5)', () => {
  it('needs a subscription to publish, unless broadcast is granted', async () => {
    const made = await client({
      channels: {
        a: { subscribe: true, messages: { p: { publish: true }, b: { broadcast: true } } },
      },
    });
    expect(await answerTo(made, { event: 'p', channel: 'a' })).toMatch(
      /"channel":"a","error":{"code":"NOT_SUBSCRIBED"/,
    );
    const listener = await client(EVERYTHING);
    await subscribe(listener, 'a');
    made.send({ event: 'b', channel: 'a', data: 1 });
    expect(await listener.next('b')).toMatchObject({ data: 1 });
    await subscribe(made, 'a');
    made.send({ event: 'p', channel: 'a', data: 2 });
    expect(await listener.next('p')).toMatchObject({ data: 2 });
  });

  it('copies a message to its sender only with echo, but to other connections of the same user', async () => {
    const channels = {
      a: { subscribe: true, messages: { e: { publish: true }, copy: { publish: true, echo: true } } },
    };
    const [one, two] = [await client({ uid: 'u1', channels }), await client({ uid: 'u1', channels })];
    await Promise.all([subscribe(one, 'a'), subscribe(two, 'a')]);
    for (let n = 0; n < 20; n++) one.send({ event: n % 2 ? 'e' : 'copy', channel: 'a', data: n });
    await two.next((frame) => frame.data === 19);
    await one.next((frame) => frame.data === 18);
    expect(one.frames.filter((frame) => frame.event === 'e')).toEqual([]);
    expect(one.frames.filter((frame) => frame.event === 'copy')).toHaveLength(10);
    expect(two.frames.filter((frame) => typeof frame.data === 'number').map((frame) => frame.data)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  it('gives a subscription the uid and umd of its token, and its messages too (S20)', async () => {
    const made = await client({ uid: 'u1', umd: 'c' });
    const { connectionId } = (await made.connected()).data;
    const token = subscribeToken({
      connectionId,
      uid: 'u9',
      umd: { n: 1 },
      channels: { b: { subscribe: true, messages: { e: { publish: true, echo: true } } } },
    });
    expect(await subscribe(made, 'b', { token })).toMatchObject({ meta: { uid: 'u9', umd: { n: 1 } } });
    made.send({ event: 'e', channel: 'b' });
    expect(await made.next('e')).toMatchObject({ meta: { uid: 'u9', umd: { n: 1 } } });
    made.send({ event: 'hotsock.unsubscribe', channel: 'b' });
    await made.next('hotsock.unsubscribed');
    expect(await answerTo(made, { event: 'e', channel: 'b' })).toContain('"PUBLISH_PERMISSION_DENIED"');
  });
});

describe('aliases (tokens-and-claims §6)', () => {
  it('prefers the alias of the subscribe token, which lasts as long as the subscription (S28)', async () => {
    const made = await client({ uid: 'u1', channels: { 'user.1': { subscribe: true, alias: 'user' } } });
    const token = subscribeToken({
      uid: 'u1',
      channels: { 'user.1': { subscribe: true, alias: 'me', messages: { e: { publish: true, echo: true } } } },
    });
    made.send({ event: 'hotsock.subscribe', channel: 'me', data: { token } });
    expect(await made.next('hotsock.subscribed')).toMatchObject({ channel: 'user.1', meta: { channelAlias: 'me' } });
    made.send({ event: 'e', channel: 'me', data: 1 });
    expect(await made.next('e')).toMatchObject({ channel: 'user.1', data: 1 });
    made.send({ event: 'e', channel: 'user', data: 2 });
    expect(await made.next('e')).toMatchObject({ channel: 'user.1', data: 2 });
    made.send({ event: 'hotsock.unsubscribe', channel: 'user.1' });
    expect(await made.next('hotsock.unsubscribed')).toMatchObject({ channel: 'user.1', meta: { channelAlias: 'me' } });
    expect(await answerTo(made, { event: 'hotsock.unsubscribe', channel: 'me' })).toMatch(
      /"channel":"me","error":{"code":"NOT_SUBSCRIBED"/,
    );
  });

  it('keeps the alias of an active subscription when another one with it ends; the newest counts', async () => {
    const made = await client({ uid: 'u1', channels: { 'user.1': { subscribe: true, alias: 'me' } } });
    const token = (channel: string) =>
      subscribeToken({ uid: 'u1', channels: { [channel]: { subscribe: true, alias: 'me' } } });
    await subscribe(made, 'user.2', { token: token('user.2') });
    await subscribe(made, 'user.3', { token: token('user.3') });
    await subscribe(made, 'user.1');
    const ended = async (channel: string) => {
      made.send({ event: 'hotsock.unsubscribe', channel });
      return (await made.next('hotsock.unsubscribed')).channel;
    };
    expect(await ended('user.3')).toBe('user.3');
    expect(await ended('me')).toBe('user.1');
    expect(await ended('me')).toBe('user.2');
    expect(await answerTo(made, { event: 'hotsock.unsubscribe', channel: 'me' })).toMatch(/"NOT_SUBSCRIBED"/);
  });
});

describe('hostile input', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

  it.each([
    ['16,000 levels of nesting', `{"event":"x","channel":"c","data":${nested(16_000)}}`, 'MALFORMED_MESSAGE'],
    ['a null character in the event', '{"event":"a\\u0000","channel":"c"}', 'INVALID_EVENT'],
    ['a lone surrogate in the channel', '{"event":"x","channel":"\\ud800"}', 'INVALID_CHANNEL'],
    ['a lone surrogate in the event', '{"event":"\\udc00","channel":"c"}', 'INVALID_EVENT'],
  ])('refuses %s', async (_what, text, code) => {
    const made = await client(EVERYTHING);
    await subscribe(made, 'c');
    expect(JSON.parse(await answerTo(made, text)).error.code).toBe(code);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'takes %s for a name like any other',
    async (name) => {
      const made = await client(EVERYTHING);
      await subscribe(made, name);
      made.send(`{"event":"${name}","channel":"${name}","data":{"__proto__":{"x":1}}}`);
      await made.next(name);
      expect(made.texts.at(-1)).toContain('"data":{"__proto__":{"x":1}}');
    },
  );

  it('passes strange but valid data through', async () => {
    const made = await client(EVERYTHING);
    await subscribe(made, 'c');
    const data = '{"a":"\\u0000\\ud800","n":123456789012345678901234567890,"d":{},"d":2}';
    made.send(`{"event":"odd","channel":"c","data":${data}}`);
    await made.next('odd');
    expect(made.texts.at(-1)).toContain(`"data":${data},`);
  });

  it('closes with 1009 above 128 KiB, also in fragments, and takes exactly 128 KiB', async () => {
    const made = await client();
    made.send(`{"event":"hotsock.ping","pad":"${'x'.repeat(131_072 - 33)}"}`);
    await made.next('hotsock.pong');
    made.send('x'.repeat(131_073));
    expect(await made.closed).toEqual({ code: 1009, reason: 'Message too big' });
    const other = await client();
    for (let n = 0; n < 40; n++) other.socket.send('x'.repeat(4_096), { fin: false });
    expect(await other.closed).toEqual({ code: 1009, reason: 'Message too big' });
  });

  it('keeps the order of long frames, which are parsed in turns, and does them though their client has gone', async () => {
    const reader = await client(EVERYTHING);
    await subscribe(reader, 'long');
    const spaces = ' '.repeat(30_000);
    const senders = await Promise.all(['a', 'b', 'c', 'd'].map((uid) => client({ ...EVERYTHING, uid })));
    await Promise.all(senders.map((sender) => subscribe(sender, 'long')));
    for (const sender of senders) {
      for (let n = 0; n < 10; n++)
        sender.send(`{"event":"e","channel":"long","data":${n}${n % 2 === 1 ? spaces : ''}}`);
      sender.socket.close();
    }
    await eventually(() => {
      const messages = reader.frames.filter(({ event }) => event === 'e');
      const from = (uid: string) => messages.filter(({ meta }) => meta?.uid === uid).map(({ data }) => data);
      const inOrder = Array.from({ length: 10 }, (_, n) => n);
      expect(['a', 'b', 'c', 'd'].map(from)).toEqual(Array.from({ length: 4 }, () => inOrder));
    });
  });

  it('puts fragments together', async () => {
    const made = await client();
    for (const letter of '{"event":"hotsock.ping"') made.socket.send(letter, { fin: false });
    made.socket.send('}', { fin: true });
    await made.next('hotsock.pong');
  });

  it('closes with 1007 on invalid UTF-8 and with 1002 on a broken frame', async () => {
    const raw = (made: WsClient) => (made.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket;
    const [utf8, broken] = [await client(), await client()];
    raw(utf8).write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff]));
    expect((await utf8.closed).code).toBe(1007);
    raw(broken).write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]));
    expect((await broken.closed).code).toBe(1002);
  });

  it('stays calm under a flood of frames', async () => {
    const made = await client({ ...EVERYTHING, limits: { publish: -1, frames: -1 } });
    await subscribe(made, 'flood');
    for (let n = 0; n < 5_000; n++) made.send({ event: 'e', channel: 'flood', data: n });
    await made.next((frame) => frame.data === 4_999);
    expect(made.frames.filter((frame) => frame.event === 'e').map((frame) => frame.data)).toEqual(
      Array.from({ length: 5_000 }, (_, n) => n),
    );
  });
});
