import { firstIdOf } from '@hearth/protocol';
import { askGateway } from '@hearth/stream';
import { DELIVER_STREAM, decodeDeliverRecord, gatewayIdOf } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { ulid } from 'ulid';
import { eventually } from '../support/eventually';
import type { WsClient } from '../support/ws-client';
import { EVERYTHING, subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** What the deliver stream can look like after sequencers were paused and NATS was away (promises R1 to R3). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const pointAt = (after: string) => ({ resume: { after } });
const HISTORY = { channels: { '*': { subscribe: true, historyStart: 0 } } };
const numbers = (client: WsClient) => client.frames.filter(({ event }) => event === 'e').map(({ data }) => data);

it('shows a new subscriber nothing from before, although the newest message of the stream is a late repeat', async () => {
  const { sequencer, gateway } = testbed;
  const messages = [1, 2, 3, 4, 5].map((n) => sequencer.next('repeated', n));
  for (const message of messages) await sequencer.send(message);
  // A sequencer that was paused while it waited for the confirmation sends it again.
  await sequencer.send(messages[1]!);
  const client = await gateway.connect(EVERYTHING);
  await subscribe(client, 'repeated');
  await sequencer.publish('repeated', 6);
  await eventually(() => expect(numbers(client)).toContain(6));
  expect(numbers(client)).toEqual([6]);
});

it.each([
  ['subscribes', 'behind', () => ({})],
  ['names a message that it was never shown', 'behind-old', (after: string) => ({ after })],
])('shows who %s nothing from before, although the channel has still to catch up with it', async (...row) => {
  const [, channel, dataFor] = row;
  const { sequencer, gateway } = testbed;
  const [witness, client] = [await gateway.connect(EVERYTHING), await gateway.connect(EVERYTHING)];
  await subscribe(witness, channel);
  const [one, two, three] = [1, 2, 3].map((n) => sequencer.next(channel, n));
  await sequencer.send(one!);
  await eventually(() => expect(numbers(witness)).toEqual([1]));
  const other = await gateway.connect(EVERYTHING);
  await subscribe(other, `${channel}-other`);
  // Number 2 is missing, so the channel waits with 3: what comes to the gateway behind it has been there.
  await sequencer.send(three!);
  await sequencer.publish(`${channel}-other`, 0);
  await eventually(() => expect(numbers(other)).toEqual([0]));
  const subscribed = subscribe(client, channel, dataFor(one!.id));
  await sequencer.send(two!);
  await subscribed;
  await sequencer.publish(channel, 4);
  await eventually(() => expect(numbers(client)).toContain(4));
  expect(numbers(client)).toEqual([4]);
  expect(numbers(witness)).toEqual([1, 2, 3, 4]);
});

it.each([
  ['the old way', 'ahead', {}, (after: string) => ({ after })],
  ['a point, while the last message here had another id before its place', 'ahead-eager', { id: ulid() }, pointAt],
])('does not repeat what a client saw on a gateway that was ahead, and resumes behind by %s', async (...row) => {
  const [, channel, options, dataFor] = row;
  const { sequencer, gateway } = testbed;
  const [witness, client] = [await gateway.connect(HISTORY), await gateway.connect(HISTORY)];
  await subscribe(witness, channel);
  const first = sequencer.next(channel, 1, options);
  const [second, third] = [2, 3].map((n) => sequencer.next(channel, n));
  await sequencer.send(first);
  await eventually(() => expect(numbers(witness)).toEqual([1]));
  await subscribe(client, channel, dataFor(second!.id));
  await sequencer.send(second!);
  await sequencer.send(third!);
  await eventually(() => expect(numbers(client)).toContain(3));
  expect(numbers(witness)).toEqual([1, 2, 3]);
  expect(numbers(client)).toEqual([3]);
});

it('gives a client that resumes while the channel catches up nothing twice', async () => {
  const { sequencer, gateway } = testbed;
  const [witness, client] = [await gateway.connect(HISTORY), await gateway.connect(HISTORY)];
  await subscribe(witness, 'held');
  const [zero, one, , three] = [0, 1, 2, 3].map((n) => sequencer.next('held', n));
  await sequencer.send(zero!);
  await sequencer.send(one!);
  await eventually(() => expect(numbers(witness)).toEqual([0, 1]));
  // Number 2 is missing, so the channel waits with 3, which the stream holds already.
  await sequencer.send(three!);
  await subscribe(client, 'held', { resume: { after: zero!.id } });
  await sequencer.publish('held', 4);
  // The channel, which waits as well, has given number 2 up by then.
  await witness.closed;
  await sequencer.publish('held', 5);
  await eventually(() => expect(numbers(client)).toContain(5));
  expect(numbers(client)).toEqual([1, 3, 4, 5]);
  expect(client.frames.filter(({ event }) => event === 'hotsock.messagesMissed')).toHaveLength(1);
});

it('sends what is stored once, although the stream gets it behind what follows it', async () => {
  const { sequencer, gateway, servers } = testbed;
  const before = await gateway.connect(EVERYTHING);
  const { token } = (await subscribe(before, 'late', { resume: true })).data.resume;
  await before.close();
  const after = await sequencer.publish('late', 0);
  const [first, second] = [sequencer.next('late', 1), sequencer.next('late', 2)];
  await testbed.store([{ channel: 'late', id: first.id, event: 'e', data: '1' }]);
  const manager = await gateway.stream.manager();
  await manager.streams.purge(DELIVER_STREAM);
  await sequencer.send(second);
  const resuming = await (await testbed.anotherGateway()).connect(EVERYTHING);
  const sql = new Client(servers.databaseUrl);
  await sql.connect();
  try {
    await sql.query('begin');
    await sql.query('lock table message_log');
    // Once this is answered it is decided how the replay goes on, and the log does not answer yet.
    const { data } = await subscribe(resuming, 'late', { resume: { after, token } });
    expect(data.resume.complete).toBe(false);
    await sequencer.send(first);
  } finally {
    await sql.end();
  }
  await sequencer.publish('late', 3);
  await eventually(() => expect(numbers(resuming)).toContain(3));
  expect(numbers(resuming)).toEqual([1, 2, 3]);
});

it('finds what a client missed, although the stream got it before the message that the client has', async () => {
  const { sequencer, gateway } = testbed;
  const witness = await gateway.connect(EVERYTHING);
  const { token } = (await subscribe(witness, 'turned', { resume: true })).data.resume;
  const [first, second, third] = [1, 2, 3].map((n) => sequencer.next('turned', n));
  for (const message of [first, second, third]) await sequencer.send(message!);
  await eventually(() => expect(numbers(witness)).toEqual([1, 2, 3]));
  const manager = await gateway.stream.manager();
  await manager.streams.purge(DELIVER_STREAM);
  for (const message of [third, first, second]) await sequencer.send(message!);
  const client = await gateway.connect(EVERYTHING);
  const { data } = await subscribe(client, 'turned', { resume: { after: first!.id, token } });
  expect(data.resume.complete).toBe(true);
  await sequencer.publish('turned', 4);
  await eventually(() => expect(numbers(client)).toContain(4));
  expect(numbers(client)).toEqual([2, 3, 4]);
  expect(client.frames.filter(({ event }) => event === 'hotsock.messagesMissed')).toEqual([]);
});

describe('a hole in live traffic that nothing can fill (resume §4)', () => {
  /** Everything that came of a channel, but for answers. */
  const story = (client: WsClient) =>
    client.frames.filter(({ event }) => event === 'e' || event === 'hotsock.messagesMissed').map(({ data }) => data);

  it('R19: is told to who asked, who gets what is stored of it and goes on', async () => {
    const { sequencer, gateway } = testbed;
    const client = await gateway.connect(EVERYTHING);
    await subscribe(client, 'hole', { resume: true });
    const before = await sequencer.publish('hole', 0);
    await eventually(() => expect(story(client)).toEqual([0]));
    const [lost, stored] = [sequencer.next('hole', 1), sequencer.next('hole', 2)];
    expect(lost.id < stored.id).toBe(true);
    await testbed.store([{ channel: 'hole', id: stored.id, event: 'e', data: '2' }]);
    const after = await sequencer.publish('hole', 3);
    await sequencer.publish('hole', 4);
    await eventually(() => expect(story(client)).toContain(4));
    expect(story(client)).toEqual([0, { after: before, before: after }, 2, 3, 4]);
    await sequencer.publish('hole', 5);
    await eventually(() => expect(story(client)).toContain(5));
  });

  it('R19: names no message for who had not been sent any, and shows nothing from before', async () => {
    const { sequencer, gateway } = testbed;
    const id = await sequencer.publish('hole-first', 0);
    await testbed.store([{ channel: 'hole-first', id, event: 'e', data: '0' }]);
    const client = await gateway.connect(EVERYTHING);
    await subscribe(client, 'hole-first', { resume: true });
    sequencer.next('hole-first', 1);
    const after = await sequencer.publish('hole-first', 2);
    await eventually(() => expect(story(client)).toEqual([{ after: null, before: after }, 2]));
  });

  it.each([
    ['did not ask', {}],
    ['resumed in the old way', { after: firstIdOf(Date.now()) }],
  ])('R19: ends the connection of who %s, and shows it nothing that came after', async (_, data) => {
    const { sequencer, gateway } = testbed;
    const channel = `hole-${Object.keys(data).length}`;
    const client = await gateway.connect(EVERYTHING);
    await subscribe(client, channel, data);
    await sequencer.publish(channel, 0);
    await eventually(() => expect(story(client)).toEqual([0]));
    sequencer.next(channel, 1);
    await sequencer.publish(channel, 2);
    expect(await client.closed).toEqual({ code: 1013, reason: 'Messages missed' });
    expect(story(client)).toEqual([0]);
  });

  it('is noticed without another message, when the newest ones are lost', async () => {
    const { sequencer, gateway } = testbed;
    const [asked, plain] = [await gateway.connect(EVERYTHING), await gateway.connect(EVERYTHING)];
    await subscribe(asked, 'tail', { resume: true });
    await subscribe(plain, 'tail');
    const before = await sequencer.publish('tail', 0);
    await eventually(() => expect([story(asked), story(plain)]).toEqual([[0], [0]]));
    sequencer.next('tail', 1);
    sequencer.tellTails();
    await eventually(() => expect(story(asked)).toEqual([0, { after: before, before: null }]));
    expect(await plain.closed).toEqual({ code: 1013, reason: 'Messages missed' });
    await sequencer.publish('tail', 2);
    await eventually(() => expect(story(asked)).toContain(2));
    expect(story(asked)).toEqual([0, { after: before, before: null }, 2]);
  });

  it('is filled with what is stored, also where nothing has come since', async () => {
    const { sequencer, gateway } = testbed;
    const client = await gateway.connect(EVERYTHING);
    await subscribe(client, 'tail-stored', { resume: true });
    const before = await sequencer.publish('tail-stored', 0);
    await eventually(() => expect(story(client)).toEqual([0]));
    const stored = sequencer.next('tail-stored', 1);
    await testbed.store([{ channel: 'tail-stored', id: stored.id, event: 'e', data: '1' }]);
    sequencer.tellTails();
    await eventually(() => expect(story(client)).toContainEqual({ after: before, before: null }));
    await sequencer.publish('tail-stored', 2);
    await eventually(() => expect(story(client)).toContain(2));
    expect(story(client)).toEqual([0, { after: before, before: null }, 1, 2]);
  });

  it('does not stop the channel when the stream has been wiped', async () => {
    const { sequencer, gateway } = testbed;
    const client = await gateway.connect(EVERYTHING);
    await subscribe(client, 'wiped', { resume: true });
    const before = await sequencer.publish('wiped', 0);
    await eventually(() => expect(story(client)).toEqual([0]));
    sequencer.next('wiped', 1);
    const after = await sequencer.publish('wiped', 2);
    const manager = await gateway.stream.manager();
    await manager.streams.purge(DELIVER_STREAM);
    await eventually(() => expect(story(client)).toEqual([0, { after: before, before: after }, 2]));
    await sequencer.publish('wiped', 3);
    await eventually(() => expect(story(client)).toContain(3));
  });
});

it('delivers a message that the stream holds behind its successors', async () => {
  const { sequencer, gateway } = testbed;
  const client = await gateway.connect(EVERYTHING);
  await subscribe(client, 'late');
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => sequencer.next('late', n));
  // The stream did not take number 2 at first, e.g. because its leader changed, and it was sent again.
  for (const message of [one, three, four, two]) await sequencer.send(message!);
  await sequencer.publish('late', 5);
  await eventually(() => expect(numbers(client)).toContain(5));
  expect(numbers(client)).toEqual([1, 2, 3, 4, 5]);
});

it('begins anew where places come again, because a power cut took what nobody remembers', async () => {
  const { sequencer, gateway } = testbed;
  const client = await gateway.connect(EVERYTHING);
  await subscribe(client, 'reused');
  for (const n of [1, 2, 3]) await sequencer.publish('reused', n);
  await eventually(() => expect(numbers(client)).toEqual([1, 2, 3]));
  await (await gateway.stream.manager()).streams.purge(DELIVER_STREAM);
  const before = Date.now();
  await eventually(() => expect(Date.now()).toBeGreaterThan(before));
  sequencer.loseTail(2);
  await sequencer.publish('reused', 'new 2');
  expect(await client.closed).toEqual({ code: 1013, reason: 'Messages missed' });
  const back = await gateway.connect(EVERYTHING);
  await subscribe(back, 'reused');
  await sequencer.publish('reused', 'new 3');
  await eventually(() => expect(numbers(back)).toEqual(['new 3']));
});

it('sends who resumes over a loss all that comes since, although the stream made anew got it out of order', async () => {
  const { sequencer, gateway } = testbed;
  const channel = 'late-news';
  const [witness, client] = [await gateway.connect(EVERYTHING), await gateway.connect(EVERYTHING)];
  await subscribe(witness, channel);
  const { data } = await subscribe(client, channel, { resume: true });
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => sequencer.next(channel, n));
  await sequencer.send(one!);
  await eventually(() => expect(numbers(client)).toEqual([1]));
  await client.close();
  await sequencer.send(two!);
  await eventually(() => expect(numbers(witness)).toEqual([1, 2]));
  await (await gateway.stream.manager()).streams.purge(DELIVER_STREAM);
  const back = await gateway.connect(EVERYTHING);
  const resumed = await subscribe(back, channel, { resume: { after: one!.id, token: data.resume.token } });
  expect(resumed.data.resume.complete).toBe(false);
  await sequencer.send(four!);
  // Longer than a page takes to be read.
  await delay(500);
  await sequencer.send(three!);
  await sequencer.publish(channel, 5);
  await eventually(() => expect(numbers(back)).toContain(5));
  expect(numbers(back)).toEqual([3, 4, 5]);
});

describe('the first messages of a channel that the stream had nothing of', () => {
  /** Somebody who is subscribed when the gateway has heard where the partitions end, and before anything is sent. */
  async function subscribed(channel: string, { gateway } = testbed): Promise<WsClient> {
    const { sequencer } = testbed;
    const [client, witness] = [await gateway.connect(EVERYTHING), await gateway.connect(EVERYTHING)];
    await subscribe(witness, 'heard');
    sequencer.tellEnd();
    // Behind that on the same connection.
    const id = await sequencer.publish('heard', channel);
    await witness.next((frame) => frame.id === id);
    await subscribe(client, channel, { resume: true });
    return client;
  }

  it('are shown in order, although the stream got the first one late', async () => {
    const { sequencer } = testbed;
    const client = await subscribed('first-late');
    const [one, two] = [1, 2].map((n) => sequencer.next('first-late', n));
    await sequencer.send(two!);
    // Time enough to look into the stream, and to take what is there for all.
    const other = await subscribed('first-other');
    for (let n = 0; n < 20; n++) {
      await sequencer.publish('first-other', n);
      await other.next(({ data }) => data === n);
    }
    await sequencer.send(one!);
    await sequencer.publish('first-late', 3);
    await eventually(() => expect(numbers(client)).toContain(3));
    expect(numbers(client)).toEqual([1, 2, 3]);
  });

  it('are sent in order to who goes on elsewhere, although the stream got the first one late', async () => {
    const { sequencer } = testbed;
    // It has not heard of the streams that there were before.
    const client = await subscribed('first-resumed', { ...testbed, gateway: await testbed.anotherGateway() });
    const { token } = client.frames.find(({ event }) => event === 'hotsock.subscribed')!.data.resume;
    await client.close();
    const [one, two] = [1, 2].map((n) => sequencer.next('first-resumed', n));
    await sequencer.send(two!);
    const back = await (await testbed.anotherGateway()).connect(EVERYTHING);
    const { data } = await subscribe(back, 'first-resumed', { resume: { token } });
    expect(data.resume.complete).toBe(true);
    await sequencer.send(one!);
    await sequencer.publish('first-resumed', 3);
    await eventually(() => expect(numbers(back)).toContain(3));
    expect(numbers(back)).toEqual([1, 2, 3]);
  });

  it('are missed aloud when one is lost', async () => {
    const { sequencer } = testbed;
    const client = await subscribed('first-lost');
    sequencer.next('first-lost', 1);
    const id = await sequencer.publish('first-lost', 2);
    const { data } = await client.next('hotsock.messagesMissed');
    expect(data).toEqual({ after: null, before: id });
    await eventually(() => expect(numbers(client)).toContain(2));
  });

  it('are missed aloud on a gateway that has just begun, too', async () => {
    const { sequencer } = testbed;
    const client = await (await testbed.anotherGateway()).connect(EVERYTHING);
    await subscribe(client, 'first-lost-at-once', { resume: true });
    sequencer.next('first-lost-at-once', 1);
    const id = await sequencer.publish('first-lost-at-once', 2);
    const { data } = await client.next('hotsock.messagesMissed');
    expect(data).toEqual({ after: null, before: id });
  });

  it('are shown at once when what they follow was sent before', async () => {
    const { sequencer, gateway } = testbed;
    await sequencer.publish('first-aged', 1);
    await (await gateway.stream.manager()).streams.purge(DELIVER_STREAM);
    const client = await subscribed('first-aged');
    await sequencer.publish('first-aged', 2);
    await eventually(() => expect(numbers(client)).toContain(2));
    expect(client.frames.filter(({ event }) => event === 'hotsock.messagesMissed')).toEqual([]);
  });
});

describe('what the gateway says of a message that somebody did not get (management-api §2)', () => {
  /** What became of a message that the stream holds, for one connection. */
  async function verdictOf(client: WsClient, { channel, record }: { channel: string; record: Buffer }) {
    const connectionId: string = client.frames[0].data.connectionId;
    const { position } = decodeDeliverRecord(record);
    const ask = { channel, who: { connectionId }, position, atMs: Date.now(), limit: 1 };
    const answer = await askGateway(testbed.gateway.stream, gatewayIdOf(connectionId) ?? -1, 'traceDelivery', ask);
    return answer?.items[0]?.verdict;
  }

  it('notHere: it waits for one before it, and cannot pass it on', async () => {
    const { sequencer, gateway } = testbed;
    const client = await gateway.connect(EVERYTHING);
    await subscribe(client, 'not-here');
    const [first, second, third] = [1, 2, 3].map((n) => sequencer.next('not-here', n));
    await sequencer.send(first!);
    await eventually(() => expect(numbers(client)).toEqual([1]));
    await sequencer.send(third!);
    expect(await verdictOf(client, first!)).toBe('sent');
    expect(await verdictOf(client, third!)).toBe('notHere');
    await sequencer.send(second!);
    await eventually(() => expect(numbers(client)).toEqual([1, 2, 3]));
    expect(await verdictOf(client, third!)).toBe('sent');
  });

  it('catchingUp: it may be a part of what is still on its way', async () => {
    const { sequencer, gateway, servers } = testbed;
    const before = await gateway.connect(EVERYTHING);
    const { token } = (await subscribe(before, 'behind', { resume: true })).data.resume;
    await before.close();
    const [seen, missed] = [sequencer.next('behind', 1), sequencer.next('behind', 2)];
    await testbed.store([{ channel: 'behind', id: seen.id, event: 'e', data: '1' }]);
    await (await gateway.stream.manager()).streams.purge(DELIVER_STREAM);
    await sequencer.send(missed);
    const client = await (await testbed.anotherGateway()).connect(EVERYTHING);
    const sql = new Client(servers.databaseUrl);
    await sql.connect();
    try {
      await sql.query('begin');
      await sql.query('lock table message_log');
      await subscribe(client, 'behind', { resume: { token } });
      expect(await verdictOf(client, missed)).toBe('catchingUp');
    } finally {
      await sql.end();
    }
    await eventually(() => expect(numbers(client)).toContain(2));
    // The channel was past it when the subscription began: it came because the client resumed.
    await eventually(async () => expect(await verdictOf(client, missed)).toBe('subscribedLater'));
  });
});
