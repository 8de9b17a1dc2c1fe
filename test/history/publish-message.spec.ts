import { PullConsumer, StreamConnection } from '@hearth/stream';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { Client, subscribeToken, Testbed } from '../support/installation';

let testbed: Testbed;

beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

/** Sees everything live; sits on the other gateway. */
async function watcher(channel: string): Promise<Client> {
  const client = await testbed.connect({ channels: { '*': { subscribe: true } } }, testbed.gateways[1]);
  await client.subscribe(channel);
  return client;
}

/** Messages of a channel that have come to a socket; a mark published behind them says when that is all. */
async function received(client: Client, channel: string): Promise<Frame[]> {
  await testbed.publish({ channel, event: 'mark' });
  await client.ws.next((frame) => frame.event === 'mark' && frame.channel === channel);
  return client.ws.frames.filter(
    (frame) => frame.id !== undefined && frame.event !== 'mark' && frame.channel === channel,
  );
}

const grant = (channel: string, messages: object, more: object = {}) => ({
  uid: 'u1',
  umd: { name: 'Ä' },
  channels: { [channel]: { subscribe: true, messages, ...more } },
});

describe('publishMessage (client-http-api §4)', () => {
  it('answers with exactly id, event and channel, and delivers with meta', async () => {
    const other = await watcher('my-channel');
    const client = await testbed.connect(grant('my-channel', { 'my-event': { broadcast: true } }));
    const answer = await client.call('publishMessage', { channel: 'my-channel', event: 'my-event', data: { a: [1] } });
    expect([answer.status, answer.text]).toEqual([202, '{"id":null,"event":"my-event","channel":"my-channel"}']);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(await received(other, 'my-channel')).toEqual([
      {
        id: expect.stringMatching(/^[0-9A-Z]{26}$/),
        event: 'my-event',
        channel: 'my-channel',
        data: { a: [1] },
        meta: { uid: 'u1', umd: { name: 'Ä' } },
      },
    ]);
  });

  it('promises the id that is then delivered and kept', async () => {
    const other = await watcher('eager');
    const client = await testbed.connect(grant('eager', { e: { broadcast: true, store: 60 } }, { historyStart: 0 }));
    const promised: string[] = [];
    for (let n = 0; n < 5; n++) {
      const { json } = await client.call('publishMessage', { channel: 'eager', event: 'e', eagerIdGeneration: true });
      promised.push(json.id);
    }
    expect((await received(other, 'eager')).map(({ id }) => id)).toEqual(promised);
    expect((await client.list({ channel: 'eager' })).map(({ id }) => id)).toEqual(promised);
    expect(promised).toEqual([...new Set(promised)].sort());
  });

  it('gives the own socket a copy only with echo, other connections of the same user always', async () => {
    const claims = grant('echo', { loud: { publish: true, echo: true }, quiet: { publish: true } });
    const [own, twin] = [await testbed.connect(claims), await testbed.connect(claims, testbed.gateways[1])];
    await own.subscribe('echo');
    await twin.subscribe('echo');
    for (const event of ['quiet', 'loud', 'quiet']) {
      expect((await own.call('publishMessage', { channel: 'echo', event, echo: true })).status).toBe(202);
    }
    expect((await received(own, 'echo')).map(({ event }) => event)).toEqual(['loud']);
    expect((await received(twin, 'echo')).map(({ event }) => event)).toEqual(['quiet', 'loud', 'quiet']);
  });

  it('takes an alias and answers with the real name', async () => {
    const other = await watcher('real.name');
    const client = await testbed.connect(
      grant('real.name', { e: { broadcast: true, store: 60 } }, { alias: 'short', historyStart: 0 }),
    );
    const { text } = await client.call('publishMessage', { channel: 'short', event: 'e' });
    expect(text).toBe('{"id":null,"event":"e","channel":"real.name"}');
    expect(await received(other, 'real.name')).toMatchObject([{ channel: 'real.name' }]);
    expect(await client.list({ channel: 'short' })).toMatchObject([{ channel: 'real.name' }]);
  });

  it('leaves store, echo and events to the claims, whatever the body says', async () => {
    const client = await testbed.connect(
      grant('ignored', { kept: { publish: true, store: 60 }, gone: { publish: true } }, { historyStart: 0 }),
    );
    await client.subscribe('ignored');
    const wishes = [
      { event: 'gone', store: -1, echo: true, emitPubSubEvent: true },
      { event: 'kept', store: 0, echo: 'yes', emitPubSubEvent: 7 },
      { event: 'kept', store: 'never', deduplicationId: 'x', key: 1 },
      { event: 'kept', deduplicationId: 'x', meta: { uid: 'somebody' } },
    ];
    for (const wish of wishes) {
      expect((await client.call('publishMessage', { channel: 'ignored', ...wish })).status).toBe(202);
    }
    expect(await received(client, 'ignored')).toEqual([]);
    const kept = await client.list({ channel: 'ignored' });
    expect(kept.map(({ event, meta }) => [event, meta.uid])).toEqual(Array(3).fill(['kept', 'u1']));
  });

  it('emits the event the claims ask for, triggered by client.http', async () => {
    const client = await testbed.connect(grant('emit', { e: { broadcast: true, emitPubSubEvent: true } }));
    await client.call('publishMessage', { channel: 'emit', event: 'e', data: 12345 });
    const silent = { info: () => undefined, warn: () => undefined };
    const connection = await StreamConnection.open({ natsUrls: [testbed.nats.url] }, 'test', silent);
    const consumer = await eventually(() =>
      PullConsumer.open(connection, 'HEARTH_EVENTS', 'first', 'hearth.events.v1.message.messagePublished.emit'),
    );
    const [message] = await consumer.next(1);
    expect(JSON.parse(Buffer.from(message!.payload).toString())).toMatchObject({
      metadata: { trigger: 'client.http', channel: 'emit', sourceIp: '127.0.0.1', connectionId: client.id },
      data: { channel: 'emit', event: 'e', data: 12345, meta: { uid: 'u1', umd: { name: 'Ä' } } },
    });
    consumer.close();
    await connection.close();
  });

  it('passes data on byte for byte', async () => {
    const other = await watcher('bytes');
    const client = await testbed.connect(grant('bytes', { e: { broadcast: true } }));
    const data = '{"n":12345678901234567890,"t":"\\u0000\\ud800","__proto__":{ "b":1 , "a":2}}';
    await client.call('publishMessage', `{"channel":"bytes","event":"e","data":${data}}`);
    await received(other, 'bytes');
    expect(other.ws.texts.some((text) => text.includes(`"data":${data},"meta"`))).toBe(true);
  });

  it('works at once in the handlers of hotsock.connected and hotsock.subscribed (§9.6)', async () => {
    const other = await watcher('at-once');
    for (let n = 0; n < 20; n++) {
      const client = await testbed.connect(
        grant('at-once', { free: { broadcast: true }, bound: { publish: true } }),
        testbed.gateways[n % 2],
      );
      const { status } = await client.call('publishMessage', { channel: 'at-once', event: 'free', data: n });
      expect(status).toBe(202);
      await client.subscribe('at-once');
      const bound = await client.call('publishMessage', { channel: 'at-once', event: 'bound', data: n });
      expect([bound.status, bound.text]).toEqual([202, '{"id":null,"event":"bound","channel":"at-once"}']);
      await client.ws.close();
    }
    expect((await received(other, 'at-once')).map(({ event, data }) => [event, data])).toEqual(
      Array.from({ length: 20 }, (_, n) => ['free', n]).flatMap(([, n]) => [
        ['free', n],
        ['bound', n],
      ]),
    );
  });
});

describe('who may publish (tokens-and-claims §5.4)', () => {
  it.each<[what: string, messages: object, subscribed: string, not: string]>([
    ['publish false', { e: { publish: false } }, 'PUBLISH_PERMISSION_DENIED', 'PUBLISH_PERMISSION_DENIED'],
    [
      'publish false, broadcast true',
      { e: { publish: false, broadcast: true } },
      'PUBLISH_PERMISSION_DENIED',
      'PUBLISH_PERMISSION_DENIED',
    ],
    ['publish true, broadcast true', { e: { publish: true, broadcast: true } }, 'ok', 'ok'],
    ['publish true, broadcast false', { e: { publish: true, broadcast: false } }, 'ok', 'NOT_SUBSCRIBED'],
    ['publish true', { e: { publish: true } }, 'ok', 'NOT_SUBSCRIBED'],
    ['broadcast true', { e: { broadcast: true } }, 'ok', 'ok'],
    ['broadcast false', { e: { broadcast: false } }, 'PUBLISH_PERMISSION_DENIED', 'PUBLISH_PERMISSION_DENIED'],
    ['nothing about the event', { x: { publish: true } }, 'PUBLISH_PERMISSION_DENIED', 'PUBLISH_PERMISSION_DENIED'],
    [
      'a pattern that grants and a name that denies',
      { '*': { publish: true }, e: { publish: false } },
      'PUBLISH_PERMISSION_DENIED',
      'PUBLISH_PERMISSION_DENIED',
    ],
  ])('%s', async (what, messages, subscribed, not) => {
    const channel = `may-${what.replaceAll(/\W+/g, '-')}`;
    const client = await testbed.connect(grant(channel, messages));
    const outcome = async () => {
      const { status, json } = await client.call('publishMessage', { channel, event: 'e' });
      if (status === 202) return 'ok';
      expect(status).toBe(403);
      expect(json.error.message).toMatch(/channel|event/);
      return json.error.code;
    };
    expect(await outcome()).toBe(not);
    await client.subscribe(channel);
    expect(await outcome()).toBe(subscribed);
    await client.unsubscribe(channel);
    expect(await outcome()).toBe(not);
  });

  it('counts what a subscribe token grants, for as long as the subscription lasts', async () => {
    const client = await testbed.connect({ uid: 'u1' });
    const messages = { e: { publish: true }, b: { broadcast: true } };
    const token = subscribeToken({ uid: 'u1', umd: 'of the token', channels: { lent: { subscribe: true, messages } } });
    const code = async (event: string) => {
      const { status, json } = await client.call('publishMessage', { channel: 'lent', event });
      return status === 202 ? 'ok' : json.error.code;
    };
    const other = await watcher('lent');
    await client.subscribe('lent', token);
    expect([await code('e'), await code('b')]).toEqual(['ok', 'PUBLISH_PERMISSION_DENIED']);
    expect(await received(other, 'lent')).toMatchObject([{ event: 'e', meta: { uid: 'u1', umd: 'of the token' } }]);
    await client.unsubscribe('lent');
    expect(await code('e')).toBe('PUBLISH_PERMISSION_DENIED');
  });
});
