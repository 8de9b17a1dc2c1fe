import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageId } from '@hearth/protocol';
import { loadConfig } from '@hearth/config';
import { beginDeliverLife, deliverExtent } from '@hearth/stream';
import { DELIVER_STREAM } from '@hearth/wire';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { LossyNats } from '../support/lossy-nats';
import { type Frame, WsClient } from '../support/ws-client';
import { connectToken, GatewayUnderTest, SECRET } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** Resume by points (resume §1–§3, §7). The vectors' numbers stand in the names. */
let testbed: Testbed;
let other: GatewayUnderTest;

beforeAll(async () => {
  testbed = await startTestbed();
  other = await testbed.anotherGateway();
});
afterAll(() => testbed?.stop());

const CLAIMS = { uid: 'u1', channels: { '*': { subscribe: true, messages: { '*': { publish: true } } } } };
const GOING_AWAY = { code: 1001, reason: 'Going away' };
const ANONYMOUS = { channels: { '*': { subscribe: true } } };

interface Point {
  readonly after?: string;
  readonly token?: string;
}

/** A client that resumes as resume §6 tells it to. */
class Resumer {
  private constructor(
    readonly client: WsClient,
    readonly answer: Frame,
    private readonly given: Point,
  ) {}

  static async subscribe(
    gateway: GatewayUnderTest,
    channel: string,
    point: Point | true = true,
    claims: Record<string, unknown> = CLAIMS,
  ): Promise<Resumer> {
    const client = await gateway.connect(claims);
    client.send({ event: 'hotsock.subscribe', channel, data: { resume: point } });
    return new Resumer(client, await client.next('hotsock.subscribed'), point === true ? {} : point);
  }

  get point(): Point {
    const after = this.messages.at(-1)?.id ?? this.given.after;
    return { ...(after === undefined ? {} : { after }), token: this.answer.data.resume.token };
  }

  get messages(): Frame[] {
    return this.client.frames.filter(({ event }) => event === 'e');
  }

  get data(): unknown[] {
    return this.messages.map(({ data }) => data);
  }

  async leave(): Promise<Point> {
    await this.client.close();
    return this.point;
  }
}

const publish = async (channel: string, ...data: unknown[]): Promise<string> => {
  let last = '';
  for (const each of data) last = await testbed.sequencer.publish(channel, each);
  // By then it is no news to a gateway that has the channel open, however busy the machine is.
  await Promise.all([testbed.gateway.stream.ping(), other.stream.ping()]);
  return last;
};
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);
const TOKEN = /^[A-Za-z0-9._-]{1,256}$/;
const completeOf = ({ answer }: Resumer): unknown => answer.data.resume.complete;

it('R1: a client that asks gets a token and nothing else; one that does not ask, the bytes of ever', async () => {
  const asked = await Resumer.subscribe(testbed.gateway, 'p1');
  expect(asked.answer.data).toEqual({ resume: { token: expect.stringMatching(TOKEN) } });
  const client = await testbed.gateway.connect(CLAIMS);
  for (const data of [undefined, {}, { resume: null }, { resume: false }]) {
    client.send({ event: 'hotsock.subscribe', channel: 'p1', data });
    await client.next('hotsock.subscribed');
    expect(client.texts.at(-1)).toBe(
      '{"event":"hotsock.subscribed","channel":"p1","data":{},"meta":{"uid":"u1","umd":null}}',
    );
    client.send({ event: 'hotsock.unsubscribe', channel: 'p1' });
    await client.next('hotsock.unsubscribed');
  }
  client.send({ event: 'hotsock.subscribe', channel: 'p1', data: { after: messageId(Date.now(), 1, 0) } });
  expect((await client.next('hotsock.subscribed')).data).toEqual({ resume: { complete: expect.any(Boolean) } });
});

it.each([
  ['u1', CLAIMS],
  ['nobody', ANONYMOUS],
])('R2: %s gets the 25 that it missed, in order, and then what is live', async (_, claims) => {
  const channel = `p2-${_}`;
  const first = await Resumer.subscribe(testbed.gateway, channel, true, claims);
  await publish(channel, 0, 1, 2);
  await eventually(() => expect(first.data).toEqual([0, 1, 2]));
  const point = await first.leave();
  await publish(channel, ...upTo(25, 3));
  const second = await Resumer.subscribe(testbed.gateway, channel, point, claims);
  expect(second.answer.data.resume).toEqual({ complete: true, token: expect.stringMatching(TOKEN) });
  expect(second.answer.data.resume.token).not.toBe(point.token);
  await publish(channel, 28);
  await eventually(() => expect(second.data).toEqual(upTo(26, 3)));
});

it('R3: a token alone resumes for one that had seen nothing, also when nothing was sent', async () => {
  const nothing = await Resumer.subscribe(testbed.gateway, 'p3');
  const point = await nothing.leave();
  const still = await Resumer.subscribe(testbed.gateway, 'p3', point);
  expect(completeOf(still)).toBe(true);
  expect(still.data).toEqual([]);
  await still.client.close();
  await publish('p3', 0, 1);
  const second = await Resumer.subscribe(testbed.gateway, 'p3', point);
  expect(completeOf(second)).toBe(true);
  await publish('p3', 2);
  await eventually(() => expect(second.data).toEqual([0, 1, 2]));
  await publish('p3b', 'before');
  const later = await Resumer.subscribe(testbed.gateway, 'p3b');
  const fromThere = await later.leave();
  await publish('p3b', 'after');
  const resumed = await Resumer.subscribe(testbed.gateway, 'p3b', fromThere);
  expect(completeOf(resumed)).toBe(true);
  await eventually(() => expect(resumed.data).toEqual(['after']));
});

it('R4: a gateway that never saw the channel answers the same', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p4');
  await publish('p4', 0);
  await eventually(() => expect(first.data).toEqual([0]));
  const seen = await first.leave();
  await publish('p4', 1, 2);
  const second = await Resumer.subscribe(other, 'p4', seen);
  expect(completeOf(second)).toBe(true);
  await eventually(() => expect(second.data).toEqual([1, 2]));
  const nothing = await Resumer.subscribe(testbed.gateway, 'p4b');
  const token = await nothing.leave();
  await publish('p4b', 7);
  const third = await Resumer.subscribe(other, 'p4b', token);
  expect(completeOf(third)).toBe(true);
  await eventually(() => expect(third.data).toEqual([7]));
});

describe('the connect URL', () => {
  const AUTO = {
    uid: 'u1',
    channels: {
      a: { subscribe: true, autoSubscribe: true },
      b: { subscribe: true, autoSubscribe: true, alias: 'bee' },
    },
  };
  const encoded = (points: unknown) => Buffer.from(JSON.stringify(points)).toString('base64url');

  async function open(resume: string): Promise<{ client: WsClient; answers: Map<string, Frame> }> {
    const client = await WsClient.open(`${testbed.gateway.wsUrl}?token=${connectToken(AUTO)}&resume=${resume}`);
    const answers = new Map<string, Frame>();
    for (let n = 0; n < 2; n++) {
      const frame = await client.next('hotsock.subscribed');
      answers.set(frame.channel, frame.data);
    }
    return { client, answers };
  }

  it('R6: gives tokens for {}, and what was missed for points', async () => {
    const first = await open('e30');
    const tokens = ['a', 'b'].map((channel) => first.answers.get(channel).resume.token);
    expect(first.answers.get('a')).toEqual({ autoSubscribed: true, resume: { token: expect.stringMatching(TOKEN) } });
    await first.client.close();
    await publish('a', 1);
    await publish('b', 2);
    const second = await open(encoded({ a: { token: tokens[0] }, bee: { token: tokens[1] }, elsewhere: true }));
    expect(second.answers.get('a').resume).toEqual({ complete: true, token: expect.stringMatching(TOKEN) });
    expect(second.answers.get('b').resume).toEqual({ complete: true, token: expect.stringMatching(TOKEN) });
    await eventually(() => {
      const messages = second.client.frames.filter(({ event }) => event === 'e');
      expect(messages.map(({ channel, data }) => [channel, data])).toEqual([
        ['a', 1],
        ['b', 2],
      ]);
    });
    const order = second.client.frames.filter(({ channel }) => channel === 'a').map(({ event }) => event);
    expect(order).toEqual(['hotsock.subscribed', 'e']);
  });

  it.each([
    ['is garbage', '!!!'],
    ['is no object', Buffer.from('[1]').toString('base64url')],
    ['is too long', 'e'.repeat(9_000)],
  ])('R7: that %s refuses nobody, and says false for every channel', async (_, resume) => {
    const { answers, client } = await open(resume);
    for (const channel of ['a', 'b']) {
      expect(answers.get(channel).resume).toEqual({ complete: false, token: expect.stringMatching(TOKEN) });
    }
    await client.close();
  });

  it('R7: with one entry of a wrong type says false for that channel only', async () => {
    const { answers, client } = await open(encoded({ a: 7, b: true }));
    expect(answers.get('a').resume).toEqual({ complete: false, token: expect.stringMatching(TOKEN) });
    expect(answers.get('b').resume).toEqual({ token: expect.stringMatching(TOKEN) });
    await client.close();
  });

  it('R15: has its like in the auth of Socket.IO, as an object or as text', async () => {
    for (const resume of [{}, encoded({})]) {
      const socket = io(testbed.gateway.httpUrl, {
        auth: { token: connectToken(AUTO), resume },
        reconnection: false,
        forceNew: true,
      });
      const frames: Frame[] = [];
      socket.on('hotsock.subscribed', (frame: Frame) => frames.push(frame));
      await eventually(() => expect(frames).toHaveLength(2));
      for (const { data } of frames) expect(data.resume).toEqual({ token: expect.stringMatching(TOKEN) });
      socket.disconnect();
    }
  });
});

describe('R8: a token that is unusable', () => {
  async function missedSome(channel: string): Promise<Point> {
    const first = await Resumer.subscribe(testbed.gateway, channel);
    const point = await first.leave();
    await publish(channel, 'missed');
    return point;
  }

  it.each<[string, (token: string) => string]>([
    ['flipped', (token) => token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')],
    ['cut', (token) => token.slice(0, 50)],
    ['empty', () => ''],
    ['of 100 KB', () => 'x'.repeat(100_000)],
  ])('because it is %s shows nothing old, and the fresh one works', async (name, spoil) => {
    const channel = `p8-${name.replaceAll(' ', '-')}`;
    const { token = '' } = await missedSome(channel);
    const resumed = await Resumer.subscribe(testbed.gateway, channel, { token: spoil(token) });
    expect(completeOf(resumed)).toBe(false);
    await publish(channel, 'live');
    await eventually(() => expect(resumed.data).toEqual(['live']));
    const point = await resumed.leave();
    await publish(channel, 'next');
    const again = await Resumer.subscribe(testbed.gateway, channel, point);
    expect(completeOf(again)).toBe(true);
    await eventually(() => expect(again.data).toEqual(['next']));
  });

  it('because it is of another channel, another uid or nobody shows nothing old', async () => {
    const { token } = await missedSome('p8c');
    await publish('p8d', 'missed');
    const elsewhere = await Resumer.subscribe(testbed.gateway, 'p8d', { token });
    const somebody = await Resumer.subscribe(testbed.gateway, 'p8c', { token }, { ...CLAIMS, uid: 'u2' });
    const nobody = await Resumer.subscribe(testbed.gateway, 'p8c', { token }, ANONYMOUS);
    await publish('p8c', 'live');
    await eventually(() => expect(somebody.data).toEqual(['live']));
    expect([elsewhere, somebody, nobody].map(completeOf)).toEqual([false, false, false]);
    expect([elsewhere.data, nobody.data]).toEqual([[], ['live']]);
  });

  it('shows nothing old even where historyStart would', async () => {
    await missedSome('p8h');
    const claims = { uid: 'u1', channels: { '*': { subscribe: true, historyStart: 0 } } };
    const resumed = await Resumer.subscribe(testbed.gateway, 'p8h', { token: 'r1.x' }, claims);
    await publish('p8h', 'live');
    await eventually(() => expect(resumed.data).toEqual(['live']));
    expect(completeOf(resumed)).toBe(false);
  });

  it('because it has expired shows nothing old', async () => {
    const brief = await testbed.anotherGateway({ connectionMaxSeconds: 3, deliverMaxAgeSeconds: 0.2 });
    const first = await Resumer.subscribe(brief, 'p8e');
    await first.client.closed;
    await publish('p8e', 'missed');
    await delay(500);
    const resumed = await Resumer.subscribe(testbed.gateway, 'p8e', first.point);
    expect(completeOf(resumed)).toBe(false);
    await publish('p8e', 'live');
    await eventually(() => expect(resumed.data).toEqual(['live']));
  });
});

it('R9: a token is no claim', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p9');
  const point = await first.leave();
  const client = await testbed.gateway.connect({ uid: 'u1', channels: { p9: { subscribe: false } } });
  client.send({ event: 'hotsock.subscribe', channel: 'p9', data: { resume: point } });
  expect((await client.next('hotsock.error')).error.code).toBe('SUBSCRIBE_PERMISSION_DENIED');
});

it('R10: a message from before the token’s beginning says false, and gets all from there', async () => {
  const before = await publish('p10', 0, 1);
  await publish('p10', 2);
  const first = await Resumer.subscribe(testbed.gateway, 'p10');
  const { token } = await first.leave();
  await publish('p10', 3, 4);
  const resumed = await Resumer.subscribe(testbed.gateway, 'p10', { after: before, token });
  expect(completeOf(resumed)).toBe(false);
  await publish('p10', 5);
  await eventually(() => expect(resumed.data).toEqual([3, 4, 5]));
});

it('R11: a made-up message says false', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p11');
  await publish('p11', ...upTo(50));
  await eventually(() => expect(first.data).toHaveLength(50));
  const { token } = await first.leave();
  const resumed = await Resumer.subscribe(testbed.gateway, 'p11', {
    after: messageId(Date.now() + 500, 77_777, 0),
    token,
  });
  expect(completeOf(resumed)).toBe(false);
  await publish('p11', 'live');
  await eventually(() => expect(resumed.data).toEqual(['live']));
});

it('R12: 5,000 missed under live traffic come once, in order', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p12');
  const point = await first.leave();
  for (let from = 0; from < 5_000; from += 500) {
    await Promise.all(upTo(500, from).map((n) => testbed.sequencer.publish('p12', n)));
  }
  let [n, running] = [5_000, true];
  const pump = (async () => {
    while (running) await Promise.all([testbed.sequencer.publish('p12', n++), testbed.sequencer.publish('p12', n++)]);
  })();
  const resumed = await Resumer.subscribe(testbed.gateway, 'p12', point);
  expect(completeOf(resumed)).toBe(true);
  await eventually(() => expect(resumed.data.length).toBeGreaterThan(5_100), 30_000);
  running = false;
  await pump;
  await eventually(() => expect(resumed.data).toHaveLength(n), 30_000);
  expect(resumed.data).toEqual(upTo(n));
}, 90_000);

it('R12: 12 MB come to a slow reader whole, and others go on', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p12s');
  const point = await first.leave();
  const text = 'x'.repeat(60_000);
  for (let n = 0; n < 200; n++) await testbed.sequencer.publish('p12s', `${n}:${text}`);
  const resumed = await Resumer.subscribe(testbed.gateway, 'p12s', point);
  for (let n = 0; n < 20; n++) {
    resumed.client.socket.pause();
    await delay(30);
    resumed.client.socket.resume();
    await delay(10);
  }
  resumed.client.send({ event: 'hotsock.ping' });
  await resumed.client.next('hotsock.pong', 30_000);
  await eventually(() => expect(resumed.data).toHaveLength(200), 60_000);
  expect(resumed.data.map((data) => Number((data as string).split(':')[0]))).toEqual(upTo(200));
}, 120_000);

it('R13: a replay that is broken off goes on where it was, over gateways, without gap or repeat', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p13');
  let point = await first.leave();
  const text = 'x'.repeat(10_000);
  for (let n = 0; n < 400; n++) await testbed.sequencer.publish('p13', `${n}:${text}`);
  const got: number[] = [];
  for (let round = 0; got.length < 400 && round < 100; round++) {
    const resumed = await Resumer.subscribe(round % 2 === 0 ? other : testbed.gateway, 'p13', point);
    expect(completeOf(resumed)).toBe(true);
    await eventually(() => expect(resumed.data.length).toBeGreaterThan(0));
    resumed.client.socket.terminate();
    await resumed.client.closed;
    got.push(...resumed.data.map((data) => Number((data as string).split(':')[0])));
    point = resumed.point;
  }
  expect(got).toEqual(upTo(400));
}, 120_000);

it('R14: what connections of the chain sent without echo is not sent again', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p14');
  const { connectionId } = (await first.client.connected()).data;
  await testbed.sequencer.publish('p14', 'own', { except: connectionId });
  await testbed.sequencer.publish('p14', 'echoed');
  const point = { token: first.point.token };
  await first.client.close();
  const second = await Resumer.subscribe(testbed.gateway, 'p14', point);
  await eventually(() => expect(second.data).toEqual(['echoed']));
  expect(completeOf(second)).toBe(true);
  const third = await Resumer.subscribe(other, 'p14', { token: second.point.token });
  await publish('p14', 'live');
  await eventually(() => expect(third.data.at(-1)).toBe('live'));
  expect(third.data).not.toContain('own');
});

it('R17: a token alone shows nothing from before it, even where historyStart would and the stream has lost something', async () => {
  const claims = { ...CLAIMS, channels: { '*': { subscribe: true, historyStart: 0 } } };
  const publishStored = async (n: number): Promise<void> => {
    const message = testbed.sequencer.next('p17', n);
    await testbed.store([{ channel: 'p17', id: message.id, event: 'e', data: String(n) }]);
    await testbed.sequencer.send(message);
  };
  await publishStored(0);
  const first = await Resumer.subscribe(testbed.gateway, 'p17', true, claims);
  const point = await first.leave();
  await publishStored(1);
  const manager = await testbed.gateway.stream.manager();
  await manager.streams.purge(DELIVER_STREAM);
  await publish('p17', 2);
  const resumed = await Resumer.subscribe(other, 'p17', point, claims);
  expect(completeOf(resumed)).toBe(false);
  await publish('p17', 3);
  await eventually(() => expect(resumed.data).toContain(3));
  expect(resumed.data).toEqual([1, 2, 3]);
});

it('R18: a stream that was purged meanwhile proves nothing', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p18');
  await publish('p18', 0);
  await eventually(() => expect(first.data).toEqual([0]));
  const point = await first.leave();
  await publish('p18', 1);
  const manager = await testbed.gateway.stream.manager();
  await manager.streams.purge(DELIVER_STREAM);
  const resumed = await Resumer.subscribe(other, 'p18', point);
  expect(completeOf(resumed)).toBe(false);
  await publish('p18', 2);
  await eventually(() => expect(resumed.data).toEqual([2]));
});

it('R20: any of the keys that are set verifies, the first signs', async () => {
  const keys = { old: randomBytes(32), new: randomBytes(32) };
  const withKeys = async (resumeKeys: Buffer[]) => {
    const { reloadable } = loadConfig(
      {
        HEARTH_NATS_URL: 'nats://x',
        HEARTH_DATABASE_URL: 'postgres://x',
        HEARTH_RESUME_KEYS: resumeKeys.map((key) => key.toString('base64')).join(','),
        HEARTH_SIGNING_KEY_1_ENCODED: SECRET.toString('base64'),
      },
      'gateway',
    );
    return testbed.anotherGateway({ reloadable });
  };
  const first = await Resumer.subscribe(await withKeys([keys.old]), 'p20');
  const point = await first.leave();
  await publish('p20', 0);
  expect(completeOf(await Resumer.subscribe(await withKeys([keys.new, keys.old]), 'p20', point))).toBe(true);
  expect(completeOf(await Resumer.subscribe(await withKeys([keys.new]), 'p20', point))).toBe(false);
});

it.each<[string, unknown]>([
  ['resume', 7],
  ['resume', 'yes'],
  ['resume', [1]],
  ['resume.after', { after: 'x' }],
  ['resume.after', { after: 7 }],
  ['resume.token', { token: 7 }],
])('R22: a wrong data.%s is INVALID_TYPE, and nothing is subscribed: %j', async (name, resume) => {
  const client = await testbed.gateway.connect(CLAIMS);
  client.send({ event: 'hotsock.subscribe', channel: 'p22', data: { resume } });
  const { error } = await client.next('hotsock.error');
  expect(error).toEqual({ code: 'INVALID_TYPE', message: expect.stringContaining(`data.${name}`) });
  await client.close();
});

it('resumes while the connection goes on with everything else', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p23');
  const point = await first.leave();
  await publish('p23', 0);
  const resumed = await Resumer.subscribe(testbed.gateway, 'p23', point);
  resumed.client.send({ event: 'hotsock.subscribe', channel: 'p23', data: { resume: true } });
  expect((await resumed.client.next('hotsock.error')).error.code).toBe('ALREADY_SUBSCRIBED');
  await eventually(() => expect(resumed.data).toEqual([0]));
  resumed.client.send({ event: 'hotsock.unsubscribe', channel: 'p23' });
  await resumed.client.next('hotsock.unsubscribed');
  await publish('p23', 1);
  resumed.client.send({ event: 'hotsock.ping' });
  await resumed.client.next('hotsock.pong');
  expect(resumed.data).toEqual([0]);
});

it('works with the code of the README, on another gateway too', async () => {
  const [, code = ''] =
    /## From a browser\n[^]*?```js\n([^]*?)```/.exec(readFileSync(join(__dirname, '../../README.md'), 'utf8')) ?? [];
  const shown: Frame[] = [];
  let [end, gateway] = [() => {}, testbed.gateway];
  const waiting: (() => void)[] = [];
  class Ours extends WebSocket {
    constructor(url: string) {
      super(url.replace('ws://localhost:8080/v1', gateway.wsUrl));
      end = () => this.terminate();
    }
  }
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- readers copy it, so it is run as it stands
  const run = new Function('WebSocket', 'token', 'console', 'setTimeout', code) as (...globals: unknown[]) => void;
  const token = connectToken({ uid: 'you', channels: { 'my-channel': { subscribe: true, autoSubscribe: true } } });
  run(Ours, token, { log: (frame: Frame) => shown.push(frame) }, (again: () => void) => waiting.push(again));
  const numbers = () => shown.filter(({ event }) => event === 'e').map(({ data }) => data as number);
  await eventually(() => expect(shown.at(-1)?.event).toBe('hotsock.subscribed'));
  await publish('my-channel', 0);
  await eventually(() => expect(numbers()).toEqual([0]));
  for (const next of [other, testbed.gateway]) {
    end();
    await eventually(() => expect(waiting).toHaveLength(1));
    const n = numbers().length;
    await publish('my-channel', n, n + 1);
    gateway = next;
    waiting.pop()?.();
    await eventually(() => expect(numbers()).toEqual(upTo(n + 2)));
  }
  const answers = shown.filter(({ event }) => event === 'hotsock.subscribed').map(({ data }) => data.resume.complete);
  expect(answers).toEqual([undefined, true, true]);
  end();
});

describe('a gateway that has not heard of what another one has shown', () => {
  let lossy: LossyNats;
  let late: GatewayUnderTest;

  beforeAll(async () => {
    lossy = await LossyNats.start(testbed.nats.port);
    late = await GatewayUnderTest.start({ ...testbed.servers, natsUrl: lossy.url });
  });
  afterAll(async () => {
    await late?.stop();
    await lossy?.stop();
  });

  it('the connection ends when what was missed cannot be read for long', async () => {
    const first = await Resumer.subscribe(late, 'unread');
    await publish('unread', 0, 1, 2);
    await eventually(() => expect(first.data).toEqual([0, 1, 2]));
    lossy.lose(({ reply }) => reply.startsWith('$JS.ACK.'));
    const client = await late.connect(CLAIMS);
    const point = { ...first.point, after: first.messages[0]?.id as string };
    client.send({ event: 'hotsock.subscribe', channel: 'unread', data: { resume: point } });
    expect(await client.closed).toEqual({ code: 1013, reason: 'Try again later' });
    lossy.lose(() => false);
    await first.client.close();
  });

  /** Somebody has seen 0 to 3 elsewhere; here, where the channel is open, 1 to 3 are lost. */
  async function beAhead(channel: string): Promise<Point> {
    const [first, watcher] = await Promise.all(
      [testbed.gateway, late].map((gateway) => Resumer.subscribe(gateway, channel)),
    );
    await publish(channel, 0);
    await eventually(() => expect(watcher?.data).toEqual([0]));
    // What is read from the stream comes with a subject of JetStream's to answer to.
    lossy.lose(({ subject, reply }) => subject.endsWith(channel) && !reply.startsWith('$JS.'));
    await publish(channel, 1, 2, 3);
    await eventually(() => expect(first?.data).toEqual(upTo(4)));
    await eventually(() => expect(lossy.lost).toBeGreaterThan(2));
    lossy.lose(() => false);
    lossy.lost = 0;
    return (await first?.leave()) ?? {};
  }

  it('goes on behind that, as the stream has it', async () => {
    const point = await beAhead('ahead1');
    const again = await Resumer.subscribe(late, 'ahead1', point);
    await publish('ahead1', 4);
    await eventually(() => expect(again.data).toEqual([4]));
    expect(completeOf(again)).toBe(true);
  });

  it('shows nothing up to that when it comes at last, although the stream had lost it', async () => {
    const channel = 'ahead2';
    const point = await beAhead(channel);
    // As a cluster does that changes the leader; the sequencer sends it again.
    const manager = await testbed.gateway.stream.manager();
    const { seq, data } = await manager.streams.getMessage(DELIVER_STREAM, {
      last_by_subj: `hearth.deliver.${channel}`,
    });
    await manager.streams.deleteMessage(DELIVER_STREAM, seq);
    const again = await Resumer.subscribe(late, channel, point);
    expect(completeOf(again)).toBe(false);
    await testbed.sequencer.send({ channel, record: Buffer.from(data) });
    await publish(channel, 4, 5);
    await eventually(() => expect(again.data.at(-1)).toBe(5));
    expect(again.data).toEqual([4, 5]);
    const old = await late.connect({ ...CLAIMS, channels: { [channel]: { subscribe: true, historyStart: 0 } } });
    old.send({ event: 'hotsock.subscribe', channel, data: { after: point.after } });
    expect((await old.next('hotsock.subscribed')).data.resume.complete).toBe(true);
  });

  it('is not kept silent by an id that is made up', async () => {
    const channel = 'ahead3';
    const { token } = await beAhead(channel);
    const again = await Resumer.subscribe(late, channel, { after: messageId(Date.now() + 60_000, 1, 0), token });
    expect(completeOf(again)).toBe(false);
    await publish(channel, 4);
    await eventually(() => expect(again.data.at(-1)).toBe(4));
  });
});

it('after the stream has lost its tail no link to what is before that proves anything (R5)', async () => {
  const unseen = await Resumer.subscribe(other, 'life');
  await publish('life', 0);
  await eventually(() => expect(unseen.data).toEqual([0]));
  const seen = await Resumer.subscribe(other, 'life');
  const points = [await unseen.leave(), { ...unseen.point, after: undefined }, await seen.leave()];
  // What stood here is gone, and who sends does not know of it.
  const { stream } = testbed.gateway;
  await beginDeliverLife(stream, (await deliverExtent(stream)).created);
  await publish('life', 2);
  for (const { after, token } of points) {
    const point = after === undefined ? { token } : { after, token };
    const resumed = await Resumer.subscribe(other, 'life', point);
    await eventually(() => expect(resumed.data.at(-1)).toBe(2));
    expect([point, completeOf(resumed)]).toEqual([point, false]);
    await resumed.leave();
  }
});

it('R21: who is sent away by a gateway that stops goes on elsewhere, without a gap', async () => {
  const stopping = await testbed.anotherGateway({ drainSeconds: 1 });
  const first = await Resumer.subscribe(stopping, 'p21');
  await publish('p21', 0);
  await eventually(() => expect(first.data).toEqual([0]));
  const stopped = stopping.stop();
  expect(await first.client.closed).toEqual(GOING_AWAY);
  await publish('p21', 1, 2);
  const resumed = await Resumer.subscribe(other, 'p21', first.point);
  expect(completeOf(resumed)).toBe(true);
  await publish('p21', 3);
  await eventually(() => expect(resumed.data).toEqual([1, 2, 3]));
  await stopped;
});

it('R17: of what was missed and has left the stream, what is stored is sent, and a gap is told of', async () => {
  const first = await Resumer.subscribe(testbed.gateway, 'p17-old');
  await publish('p17-old', 0);
  await eventually(() => expect(first.data).toEqual([0]));
  const point = await first.leave();
  await publish('p17-old', 1);
  const stored = testbed.sequencer.next('p17-old', 2);
  await testbed.store([{ channel: 'p17-old', id: stored.id, event: 'e', data: '2' }]);
  await testbed.sequencer.send(stored);
  const last = await publish('p17-old', 3);
  // As age takes them: all up to the newest one of the stream.
  const manager = await testbed.gateway.stream.manager();
  const { state } = await manager.streams.info(DELIVER_STREAM);
  await manager.streams.purge(DELIVER_STREAM, { seq: state.last_seq });
  const resumed = await Resumer.subscribe(other, 'p17-old', point);
  expect(completeOf(resumed)).toBe(false);
  await eventually(() => expect(resumed.messages.at(-1)?.id).toBe(last));
  expect(resumed.data).toEqual([2, 3]);
});
