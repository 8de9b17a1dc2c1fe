import { DELIVER_STREAM, DeliverRecord, deliverSubject, encodeDeliverRecord } from '@hearth/wire';
import {
  AckedPublisher,
  assertDeliverLife,
  callGateway,
  ConsumerLostError,
  deliverExtent,
  DeliverSubscriber,
  deliverStreamEnd,
  ensureStreams,
  lastDelivered,
  PullConsumer,
  readDelivered,
  StreamConnection,
} from '@hearth/stream';
import { eventually } from '../support/eventually';
import { startNats, TestNats } from '../support/nats';

const SETTINGS = {
  partitions: 1,
  ingestMaxBytes: 1_048_576,
  deliverMaxBytes: 16 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 1,
};
const silent = { info: () => undefined, warn: () => undefined };

let nats: TestNats;
let connection: StreamConnection;
let publisher: AckedPublisher;

beforeAll(async () => {
  nats = await startNats();
  connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
  await ensureStreams(connection, SETTINGS);
  publisher = new AckedPublisher(connection);
});

afterAll(async () => {
  publisher.close();
  await connection.close();
  await nats.stop();
});

const record = (sequence: number): DeliverRecord => ({
  position: { epoch: 0, sequence },
  previous: sequence === 1 ? undefined : { epoch: 0, sequence: sequence - 1 },
  id: '01JA3S0TNEC2QBYMZRBMCEXGNW',
  exceptConnectionId: undefined,
  frame: Buffer.from(`{"n":${sequence}}`),
});

async function deliver(channel: string, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await publisher.publish(deliverSubject(channel), encodeDeliverRecord(record(n)));
}

async function stored(channel: string | undefined, start: Parameters<typeof readDelivered>[1]): Promise<number[]> {
  const read: number[] = [];
  await readDelivered(connection, start, channel, (_, { record: one }) => read.push(one.position.sequence));
  return read;
}

describe('the deliver stream', () => {
  it('tells the latest message of a channel, or that there is none', async () => {
    await deliver('latest', 1, 3);
    await deliver('other.>', 1, 1);
    expect((await lastDelivered(connection, 'latest'))?.record).toEqual(record(3));
    expect((await lastDelivered(connection, 'other.>'))?.record).toEqual(record(1));
    expect(await lastDelivered(connection, 'never')).toBeUndefined();
  });

  it('tells it to each of many who ask at once', async () => {
    const channels = Array.from({ length: 50 }, (_, n) => `many.${n}`);
    for (const [n, channel] of channels.entries()) if (n % 2 === 0) await deliver(channel, 1, n / 2 + 1);
    const found = await Promise.all(channels.map((channel) => lastDelivered(connection, channel)));
    const places = found.map((stored) => stored?.record.position.sequence);
    expect(places).toEqual(channels.map((_, n) => (n % 2 === 0 ? n / 2 + 1 : undefined)));
  });

  it('is not waited for when nobody answers', async () => {
    const stop = connection.listen('asked', () => undefined);
    await expect(connection.ask('asked', '', 1)).rejects.toThrow('in time');
    // The server says so when nobody even listens.
    expect((await connection.ask('unheard', '', 60_000)).headers?.code).toBe(503);
    stop();
  });

  it('reads one channel from a place on, in order', async () => {
    await deliver('read', 1, 20);
    const last = await lastDelivered(connection, 'read');
    await deliver('noise', 1, 5);
    await deliver('read', 21, 30);
    expect(await stored('read', { sequence: (last?.sequence ?? 0) + 1 })).toEqual([
      21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    ]);
    expect(await stored('read', 'first')).toHaveLength(30);
    expect(await stored('never', 'first')).toEqual([]);
  });

  it('reads nothing behind its end', async () => {
    await deliver('end', 1, 2);
    expect(await stored('end', { sequence: (await deliverStreamEnd(connection)) + 1 })).toEqual([]);
  });

  it('reads all channels at once', async () => {
    const from = (await deliverStreamEnd(connection)) + 1;
    await deliver('one', 1, 3);
    await deliver('two', 1, 3);
    expect(await stored(undefined, { sequence: from })).toEqual([1, 2, 3, 1, 2, 3]);
  });

  it('forwards live messages once the subscription is active', async () => {
    const received: number[] = [];
    const subscription = new DeliverSubscriber(connection).subscribe('live', (one) =>
      received.push(one.position.sequence),
    );
    await subscription.active;
    await deliver('live', 1, 50);
    await eventually(() => expect(received).toHaveLength(50));
    expect(received).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    subscription.close();
  });

  it('forwards to all of many who ask at once, and to who asks right after others', async () => {
    const received = new Set<number>();
    const subscriber = new DeliverSubscriber(connection);
    const ask = (n: number) => subscriber.subscribe('many', () => received.add(n));
    const first = Array.from({ length: 40 }, (_, n) => ask(n));
    await first[0]?.active;
    const all = [...first, ask(40)];
    await Promise.all(all.map(({ active }) => active));
    await deliver('many', 1, 1);
    await eventually(() => expect(received.size).toBe(41));
    for (const one of all) one.close();
  });

  it('forwards nothing for who gave up before the subscription was active', async () => {
    const received: string[] = [];
    const subscriber = new DeliverSubscriber(connection);
    const [given, kept] = ['given up', 'kept'].map((name) => subscriber.subscribe('soon', () => received.push(name)));
    given?.close();
    await Promise.all([given?.active, kept?.active]);
    await deliver('soon', 1, 1);
    await eventually(() => expect(received).toEqual(['kept']));
    kept?.close();
  });
});

describe('a reader whose stream is deleted', () => {
  it.each([
    ['while it waits for more', 3],
    ['before it asks for more', 2_000],
  ])('notices that %s', async (_, count) => {
    const numbers = Array.from({ length: count }, (_, n) => n + 1);
    await Promise.all(numbers.map((n) => publisher.publish(deliverSubject('gone'), encodeDeliverRecord(record(n)))));
    const reader = await PullConsumer.open(connection, DELIVER_STREAM, 'first', deliverSubject('gone'));
    let read = 0;
    while (read < count - 1) read += (await reader.next(count - 1 - read)).length;
    await (await connection.manager()).streams.delete(DELIVER_STREAM);
    await reader.next(1);
    await expect(reader.next(1)).rejects.toThrow(ConsumerLostError);
    reader.close();
    await ensureStreams(connection, SETTINGS);
  });
});

describe('callGateway', () => {
  it('says so when nobody listens under the number of a gateway', async () => {
    const call = callGateway(
      connection,
      7,
      { connectionId: 'x', connectionSecret: 'y' },
      { operation: 'listMessages', channel: 'c' },
      2_000,
    );
    await expect(call).resolves.toBeUndefined();
  });
});

it('notices that the stream was made anew while it was read', async () => {
  const { created } = await deliverExtent(connection);
  await assertDeliverLife(connection, created);
  await (await connection.manager()).streams.delete(DELIVER_STREAM);
  await ensureStreams(connection, SETTINGS);
  await expect(assertDeliverLife(connection, created)).rejects.toThrow('created anew');
});
