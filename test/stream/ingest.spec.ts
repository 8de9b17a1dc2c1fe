import { decodeBundle, decodeIngest, ingestStream, ingestSubject, MAX_BUNDLED_EVENTS } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AckedPublisher,
  ConsumerLostError,
  dropProcessed,
  ensureStreams,
  findIngestStart,
  IngestPosition,
  IngestPublisher,
  openIngestReader,
  StreamConnection,
  StreamMessage,
  StreamSettings,
  StreamUnavailableError,
} from '@hearth/stream';
import { eventually } from '../support/eventually';
import { LossyNats } from '../support/lossy-nats';
import { startNats, TestNats } from '../support/nats';
import { pauseProcess, resumeProcess } from '../support/pause-process';

const SETTINGS: StreamSettings = {
  partitions: 1,
  ingestMaxBytes: 64 * 1_048_576,
  deliverMaxBytes: 16 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 1,
};
const BEGINNING: IngestPosition = { epoch: 0, sequence: 0, timeNs: '', streamCreated: '' };
const silent = { info: () => undefined, warn: () => undefined };

let nats: TestNats;
let connection: StreamConnection;
let ingest: IngestPublisher;

beforeEach(async () => {
  nats = await startNats();
  connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
  await ensureStreams(connection, SETTINGS);
  ingest = new IngestPublisher(connection, { partitions: 1, httpTimeoutMs: 8_000, publishAck: 'stream' });
});

afterEach(async () => {
  ingest.close();
  await connection.close();
  await nats.stop();
});

function publish(n: number, padding = ''): Promise<void> {
  return ingest.publish(
    { requestId: `r${n}`, channel: 'c', event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false },
    `${n}${padding}`,
  );
}

const numbers = (messages: readonly StreamMessage[]): number[] =>
  messages.flatMap(({ payload }) => decodeBundle(payload)).map((event) => Number(decodeIngest(event).data.toString()));

/** Reads as a partition worker does: on a lost consumer it opens another one behind the last message taken. */
async function readAll(count: number): Promise<{ read: number[]; last: StreamMessage }> {
  const read: number[] = [];
  let last: StreamMessage | undefined;
  while (read.length < count) {
    try {
      const reader = await openIngestReader(connection, 0, { sequence: (last?.sequence ?? 0) + 1 });
      while (read.length < count) {
        const messages = await reader.next(100);
        read.push(...numbers(messages));
        last = messages.at(-1) ?? last;
      }
      reader.close();
    } catch (error) {
      if (!(error instanceof ConsumerLostError) && nats.pid !== 0 && connection.isConnected) throw error;
    }
  }
  if (last === undefined) throw new Error('nothing was read');
  return { read, last };
}

async function positionAfter(count: number): Promise<IngestPosition> {
  const { position } = await findIngestStart(connection, 0, SETTINGS, BEGINNING);
  if (count === 0) return position;
  const { last } = await readAll(count);
  return { ...position, sequence: last.sequence, timeNs: last.timeNs };
}

describe('the ingest stream', () => {
  it('gives back what was published, in the order of the calls', async () => {
    const count = 5_000;
    await Promise.all(Array.from({ length: count }, (_, n) => publish(n)));
    expect((await readAll(count)).read).toEqual(Array.from({ length: count }, (_, n) => n));
  });

  it('takes what comes in one moment as few messages, and what comes alone as it is', async () => {
    await Promise.all(Array.from({ length: 200 }, (_, n) => publish(n)));
    const manager = await connection.manager();
    const messages = async () => (await manager.streams.info(ingestStream(0))).state.messages;
    expect(await messages()).toBe(Math.ceil(200 / MAX_BUNDLED_EVENTS));
    await publish(200);
    expect(await messages()).toBe(Math.ceil(200 / MAX_BUNDLED_EVENTS) + 1);
  });

  it('keeps the order of events of all kinds and sizes', async () => {
    const large = ' '.repeat(50_000);
    const leave = { kind: 'leave', channel: 'c', connectionId: 'x' } as const;
    await Promise.all([
      publish(0),
      publish(1, large),
      publish(2, large),
      publish(3),
      ingest.send(leave, '', { id: 'its id' }),
      publish(4),
      ingest.send(leave, '', { atLast: true }),
      publish(5),
      ingest.send(leave),
      publish(6, large),
    ]);
    const reader = await openIngestReader(connection, 0, 'first');
    const kinds: (string | number)[] = [];
    while (kinds.length < 10) {
      for (const { payload } of await reader.next(1)) {
        for (const event of decodeBundle(payload)) {
          const { operation, data } = decodeIngest(event);
          kinds.push(operation?.kind ?? Number(data.toString()));
        }
      }
    }
    reader.close();
    expect(kinds).toEqual([0, 1, 2, 3, 'leave', 4, 'leave', 5, 'leave', 6]);
  });

  it('has an operation that is known by its id once only, whatever it came with', async () => {
    const leave = { kind: 'leave', channel: 'c', connectionId: 'x' } as const;
    await Promise.all([publish(0), ingest.send(leave, '', { id: 'its id' }), publish(1)]);
    await Promise.all([publish(2), ingest.send(leave, '', { id: 'its id' }), publish(3)]);
    const { state } = await (await connection.manager()).streams.info(ingestStream(0));
    expect(state.messages).toBe(5);
  });

  it.each([
    ['messages', 4_100, 1],
    ['bytes', 20, 900_000],
  ])('is read by one reader past the %s that it asks for at once', async (_, count, size) => {
    const publisher = new AckedPublisher(connection);
    const payload = Buffer.alloc(size);
    await Promise.all(Array.from({ length: count }, () => publisher.publish(ingestSubject(0), payload)));
    publisher.close();
    const reader = await openIngestReader(connection, 0, 'first');
    let read = 0;
    while (read < count) read += (await reader.next(500)).length;
    reader.close();
    expect(read).toBe(count);
  });

  it('is read in parts of limited size', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, n) => publish(n, ' '.repeat(40_000))));
    const reader = await openIngestReader(connection, 0, 'first');
    const parts: number[] = [];
    for (let read = 0; read < 8; read += parts.at(-1) ?? 0) {
      // So that all of it has arrived.
      await delay(300);
      parts.push((await reader.next(100, 100_000)).length);
    }
    expect(parts).toEqual([2, 2, 2, 2]);
    const larger = reader.next(100, 1);
    await publish(8, ' '.repeat(40_000));
    expect(await larger).toHaveLength(1);
    reader.close();
  });

  it('loses and doubles nothing that was confirmed when nats-server is killed under load', async () => {
    const accepted: number[] = [];
    const refused: number[] = [];
    let next = 0;
    let stopping = false;
    const publisher = (async () => {
      while (!stopping) {
        const n = next++;
        await publish(n).then(
          () => accepted.push(n),
          () => refused.push(n),
        );
      }
    })();
    await eventually(() => expect(accepted.length).toBeGreaterThan(300));
    await nats.kill();
    await nats.restart();
    const before = accepted.length;
    await eventually(() => expect(accepted.length).toBeGreaterThan(before + 300));
    stopping = true;
    await publisher;
    const manager = await connection.manager();
    const { state } = await manager.streams.info(ingestStream(0));
    const { read } = await readAll(state.messages);
    expect(read.filter((n, index) => index > 0 && n <= (read[index - 1] ?? -1))).toEqual([]);
    const present = new Set(read);
    expect(present.size).toBe(read.length);
    expect(accepted.filter((n) => !present.has(n))).toEqual([]);
  });

  it('keeps the order of the calls when the connection breaks between frames, and in the middle of one', async () => {
    const road = await LossyNats.start(nats.port);
    const silent = { info: () => undefined, warn: () => undefined };
    const broken = await StreamConnection.open({ natsUrls: [road.url] }, 'test', silent);
    const publisher = new AckedPublisher(broken);
    const accepted: number[] = [];
    let n = 0;
    const publishMore = setInterval(() => {
      const number = n++;
      const sent = publisher.publish(ingestSubject(0), Buffer.from(`${number}`), { lane: 0, timeoutMs: 8_000 });
      void sent.then(
        () => accepted.push(number),
        () => undefined,
      );
    }, 1);
    let reconnects = 0;
    broken.onReconnect(() => void reconnects++);
    for (let round = 1; round <= 10; round++) {
      await eventually(() => expect(accepted.length).toBeGreaterThan(round * 30));
      road.break();
      // A client that had been connected for longer is back within milliseconds.
      await eventually(() => expect(reconnects).toBeGreaterThanOrEqual(round));
    }
    clearInterval(publishMore);
    await eventually(() => expect(accepted).toContain(n - 1));
    const reader = await openIngestReader(connection, 0, 'first');
    const read: number[] = [];
    while (read.at(-1) !== n - 1) {
      for (const { payload } of await reader.next(1_000)) read.push(Number(Buffer.from(payload).toString()));
    }
    for (const close of [reader, publisher, broken, road]) await ('close' in close ? close.close() : close.stop());
    expect(read).toEqual([...new Set(read)].sort((a, b) => a - b));
    expect(accepted.filter((number) => !read.includes(number))).toEqual([]);
  });

  it('fails at once and clearly while NATS is away', async () => {
    await nats.kill();
    await eventually(() => expect(connection.isConnected).toBe(false));
    await expect(publish(1)).rejects.toThrow(StreamUnavailableError);
    await nats.restart();
    await eventually(() => publish(2));
  });

  it('gives up before the stream may have forgotten the id, however long its caller would wait', async () => {
    const patient = new IngestPublisher(connection, { ...SETTINGS, httpTimeoutMs: 60_000, publishAck: 'stream' });
    const event = {
      requestId: 'r',
      channel: 'c',
      event: 'e',
      trigger: 'server.http',
      store: 0,
      emitPubSubEvent: false,
    } as const;
    await pauseProcess(nats.pid);
    try {
      await expect(patient.publish(event, '1')).rejects.toThrow('did not confirm in time');
    } finally {
      resumeProcess(nats.pid);
    }
    patient.close();
  });

  it('refuses a message that no stream takes', async () => {
    await (await connection.manager()).streams.delete(ingestStream(0));
    await expect(publish(1)).rejects.toThrow('no stream takes the message');
  });

  it('refuses new messages instead of dropping accepted ones when it is full', async () => {
    // The smallest stream there is holds 1 MiB.
    const manager = await connection.manager();
    await manager.streams.delete(ingestStream(0));
    await ensureStreams(connection, { ...SETTINGS, ingestMaxBytes: 1 });
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => publish(n, ' '.repeat(30_000))));
    const accepted = results.filter(({ status }) => status === 'fulfilled').length;
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(50);
    expect((await readAll(accepted)).read).toEqual(Array.from({ length: accepted }, (_, n) => n));
  });

  it('publishes a message with one id only once, however often it is sent', async () => {
    const publisher = new AckedPublisher(connection);
    for (let i = 0; i < 3; i++) await publisher.publish(ingestSubject(0), Buffer.from('x'), { messageId: 'same' });
    publisher.close();
    const { state } = await (await connection.manager()).streams.info(ingestStream(0));
    expect(state.messages).toBe(1);
  });
});

describe('dropProcessed', () => {
  const inStream = async () => {
    const { first_seq, last_seq } = (await (await connection.manager()).streams.info(ingestStream(0))).state;
    return [first_seq, last_seq];
  };

  it('never asks for a purge up to sequence 1, which older servers take for the whole stream', async () => {
    const asked: unknown[] = [];
    const stop = connection.listen('$JS.API.STREAM.PURGE.>', (message) => asked.push(message.json()));
    const beginning = await positionAfter(0);
    for (let n = 1; n <= 2; n++) {
      await dropProcessed(connection, 0, n === 1 ? beginning : await positionAfter(1));
      await publish(n);
    }
    await dropProcessed(connection, 0, await positionAfter(2));
    await connection.ping();
    expect(asked).toEqual([{ seq: 2 }]);
    stop();
  });

  it('drops nothing of a stream that has lost its tail and goes on with messages that nobody has read', async () => {
    for (let n = 0; n < 5; n++) await publish(n);
    const position = await positionAfter(5);
    await dropProcessed(connection, 0, { ...position, timeNs: String(BigInt(position.timeNs) - 1n) });
    expect(await inStream()).toEqual([1, 5]);
    await dropProcessed(connection, 0, { ...position, sequence: 6 });
    expect(await inStream()).toEqual([1, 5]);
    await dropProcessed(connection, 0, position);
    expect(await inStream()).toEqual([5, 5]);
  });
});

describe('findIngestStart', () => {
  it('goes on behind the position while the stream is the same', async () => {
    for (let n = 0; n < 10; n++) await publish(n);
    const position = await positionAfter(10);
    expect(await findIngestStart(connection, 0, SETTINGS, position)).toEqual({ position, startAt: { sequence: 11 } });
  });

  it('goes on after a restart of nats-server and after the stream was shortened', async () => {
    for (let n = 0; n < 10; n++) await publish(n);
    const position = await positionAfter(10);
    await dropProcessed(connection, 0, position);
    await nats.restart();
    const start = await eventually(() => findIngestStart(connection, 0, SETTINGS, position));
    expect(start.epochReason).toBeUndefined();
    expect(start.startAt).toEqual({ sequence: 11 });
  });

  it('begins a new epoch when the stream was created anew', async () => {
    for (let n = 0; n < 10; n++) await publish(n);
    const position = await positionAfter(10);
    const manager = await connection.manager();
    await manager.streams.delete(ingestStream(0));
    const start = await findIngestStart(connection, 0, SETTINGS, position);
    expect(start.epochReason).toBe('the stream was created anew');
    expect(start.position).toMatchObject({ epoch: 1, sequence: 0 });
    await publish(99);
    const reader = await openIngestReader(connection, 0, start.startAt);
    expect(numbers(await reader.next(10))).toEqual([99]);
    reader.close();
  });

  it('begins a new epoch when the stream lost its tail', async () => {
    for (let n = 0; n < 10; n++) await publish(n);
    const position = { ...(await positionAfter(10)), sequence: 14 };
    await publish(10);
    const start = await findIngestStart(connection, 0, SETTINGS, position);
    expect(start.epochReason).toBe('the stream lost its tail');
    // The last one came after what was read, in a place that is not known to be new.
    expect(start.startAt).toEqual({ sequence: 11 });
    // Whoever has saved that goes on there, however long the stream is by then.
    await publish(11);
    expect(await findIngestStart(connection, 0, SETTINGS, start.position)).toEqual({
      position: start.position,
      startAt: start.startAt,
    });
  });

  it('begins a new epoch when sequences that were lost have been given out again', async () => {
    for (let n = 0; n < 5; n++) await publish(n);
    const position = await positionAfter(5);
    // As if the fifth message had another time when it was applied: the one there now is not the same.
    const earlier = String(BigInt(position.timeNs) - 1_000_000n);
    const start = await findIngestStart(connection, 0, SETTINGS, { ...position, timeNs: earlier });
    expect(start.epochReason).toBe('the stream lost its tail and has been written to since');
    const reader = await openIngestReader(connection, 0, start.startAt);
    expect(numbers(await reader.next(10))).toContain(4);
    reader.close();
  });
});
