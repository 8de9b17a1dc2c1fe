import { messages, P12, P13, PUBLISH_VECTORS } from '../../libs/claims/src/testing/publish-vectors';
import { type Client, secondsOf, subscribeToken, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { VectorTests } from './vectors';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

const opened: Client[] = [];
afterEach(() => Promise.all(opened.splice(0).map(({ ws }) => ws.close())));

/** Connections go to the two gateways in turn. */
async function connect(claims: Record<string, unknown>): Promise<Client> {
  const client = await testbed.connect(claims, testbed.gateways[opened.length % 2]);
  opened.push(client);
  return client;
}

const EVERYTHING = { '*': { subscribe: true, historyStart: 0 } };

/** Somebody who gets all messages of a channel. */
async function listenTo(channel: string): Promise<Client> {
  const listener = await connect({ uid: 'listener', channels: EVERYTHING });
  await listener.subscribe(channel);
  return listener;
}

/** Data of all messages that have come, once nothing more can come that was accepted before. */
async function received(client: Client, channel: string): Promise<unknown[]> {
  await testbed.publish({ channel, event: 'mark' });
  await client.ws.next('mark');
  const isMessage = ({ id, event }: Frame) => id !== undefined && event !== 'mark';
  return client.ws.frames.filter(isMessage).map(({ data }) => data as unknown);
}

/** Sends a message over the socket. @returns the code of the error that answers it, `allow` when there is none */
async function publish({ ws }: Client, message: { channel: string; event: string; [more: string]: unknown }) {
  ws.send(message);
  ws.send({ event: 'hotsock.ping' });
  const frame = await ws.next(({ event }) => event === 'hotsock.error' || event === 'hotsock.pong');
  if (frame.event === 'hotsock.pong') return 'allow';
  expect(frame.channel).toBe(message.channel);
  await ws.next('hotsock.pong');
  return frame.error.code as string;
}

const vectors = new VectorTests('PH');

describe('vectors of messages: a publish', () => {
  for (const [sentence, channels, ofToken, cases] of PUBLISH_VECTORS) {
    vectors.test(sentence, async () => {
      for (const [channel, event, whenSubscribed, whenNot] of cases) {
        const [listener, sender] = [await listenTo(channel), await connect({ uid: 'u1', channels })];
        const came: string[] = [];
        const attempt = async (data: string, expected: string) => {
          expect([event, data, await publish(sender, { channel, event, data })]).toEqual([event, data, expected]);
          if (expected !== 'allow') return;
          await listener.ws.next((frame) => frame.event === event && frame.data === data);
          came.push(data);
        };
        await attempt('not subscribed', whenNot);
        if (whenSubscribed !== undefined) {
          await sender.subscribe(channel, ofToken && subscribeToken({ uid: 'u1', channels: ofToken }));
          await attempt('subscribed', whenSubscribed);
        }
        expect(await received(listener, channel)).toEqual(came);
      }
    });
  }

  vectors.test('P9 of an event that is reserved is not granted by a pattern', async () => {
    const sender = await connect({ channels: messages({ '*': { publish: true } }) });
    await sender.subscribe('a');
    const listener = await listenTo('a');
    expect(await publish(sender, { channel: 'a', event: 'hotsock.foo' })).toBe('UNKNOWN_EVENT');
    expect(await received(listener, 'a')).toEqual([]);
  });

  vectors.test('P12 is stored as the exact event says', async () => {
    const [listener, sender] = [await listenTo('a'), await connect({ channels: P12 })];
    await sender.subscribe('a');
    const before = await testbed.settle('a');
    for (const event of ['typing', 'chat', 'typing']) {
      expect(await publish(sender, { channel: 'a', event, data: event })).toBe('allow');
    }
    for (const event of ['typing', 'chat', 'typing']) await listener.ws.next(event);
    expect(await testbed.settle('a')).toHaveLength(before.length + 1);
    expect((await listener.list({ channel: 'a', after: before.at(-1) })).map(({ event }) => event as string)).toEqual([
      'chat',
    ]);
  });

  vectors.test('P13 is echoed only with echo, and copied to other connections of the same user', async () => {
    const [sender, other] = [await connect({ uid: 'u1', channels: P13 }), await connect({ uid: 'u1', channels: P13 })];
    for (const client of [sender, other]) await client.subscribe('a');
    for (const event of ['f', 'e']) {
      expect(await publish(sender, { channel: 'a', event, data: event })).toBe('allow');
      await other.ws.next(event);
    }
    expect(await received(sender, 'a')).toEqual(['e']);
    expect(await received(other, 'a')).toEqual(['f', 'e']);
  });
});

describe('vectors of schedules: a message', () => {
  const nowSeconds = () => Math.ceil(Date.now() / 1_000);

  for (const [sentence, scheduleBefore, seconds, isGranted] of [
    ['P15 may not be scheduled without scheduleBefore', undefined, 30, false],
    ['P15 may not be scheduled with scheduleBefore 0', () => 0, 30, false],
    ['P15 may be scheduled with a later scheduleBefore', (now: number) => now + 60, 30, true],
    ['P16 may not be scheduled after scheduleBefore', (now: number) => now + 60, 61, false],
  ] as const) {
    vectors.test(sentence, async () => {
      const now = nowSeconds();
      const client = await connect({
        channels: messages({ e: { publish: true, scheduleBefore: scheduleBefore?.(now) } }),
      });
      await client.subscribe('a');
      const scheduleExpression = `at(${new Date((now + seconds) * 1_000).toISOString().slice(0, 19)})`;
      const message = { channel: 'a', event: 'e', scheduleExpression };
      expect(await publish(client, message)).toBe(isGranted ? 'allow' : 'SCHEDULE_PERMISSION_DENIED');
      const { status, json } = await client.call('publishMessage', message);
      if (!isGranted) return expect([status, json.error.code]).toEqual([403, 'SCHEDULE_PERMISSION_DENIED']);
      expect(status).toBe(202);
      // It is parked: there is something to cancel.
      expect((await testbed.cancel(encodeURIComponent(json.scheduleArn as string))).status).toBe(204);
    });
  }
});

describe('vectors of history: listMessages', () => {
  const shown = async (client: Client, channel: string) =>
    (await client.list({ channel })).map(({ data }) => data as unknown);
  const seeing = (channel: string, more: object) => connect({ channels: { [channel]: { subscribe: true, ...more } } });

  vectors.test('H1 shows what came since the subscription', async () => {
    const client = await seeing('h1', {});
    await testbed.store('h1', 'before');
    await client.subscribe('h1');
    await testbed.store('h1', 'since', 'later');
    expect(await shown(client, 'h1')).toEqual(['since', 'later']);
  });

  vectors.test('H2 shows all that has not expired with historyStart 0', async () => {
    const client = await seeing('h2', { historyStart: 0 });
    await testbed.publish({ channel: 'h2', event: 'e', data: 'short', store: 1 });
    await testbed.store('h2', 'before');
    await client.subscribe('h2');
    await testbed.store('h2', 'since');
    await eventually(async () => expect(await shown(client, 'h2')).toEqual(['before', 'since']));
  });

  vectors.test('H3 begins at historyStart, to the millisecond', async () => {
    await testbed.store('h3', 'before');
    const at = (await testbed.store('h3', 'at')).at(-1)!;
    await testbed.store('h3', 'after');
    for (const [historyStart, expected] of [
      [secondsOf(at), ['at', 'after']],
      [secondsOf(at) + 0.001, ['after']],
    ] as const) {
      const client = await seeing('h3', { historyStart });
      await client.subscribe('h3');
      expect(await shown(client, 'h3')).toEqual(expected);
    }
  });

  vectors.test('H4 needs a subscription without historyStart', async () => {
    await testbed.store('h4', 'kept');
    const { status, json } = await (await seeing('h4', {})).call('listMessages', { channel: 'h4' });
    expect([status, json.error.code]).toEqual([403, 'NOT_SUBSCRIBED']);
  });

  vectors.test('H5 needs none with historyStart', async () => {
    await testbed.store('h5', 'kept');
    expect(await shown(await seeing('h5', { historyStart: 0 }), 'h5')).toEqual(['kept']);
  });
});

describe('the vectors of messages and history', () => vectors.testCompleteness());
