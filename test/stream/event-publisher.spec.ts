import { BackendEvent } from '@hearth/wire';
import { EventPublisher, EventPublisherSettings, StreamConnection } from '@hearth/stream';
import type { StreamConfig } from 'nats';
import { ulid } from 'ulid';
import { eventually } from '../support/eventually';
import { startNats, TestNats } from '../support/nats';
import { TcpProxy } from '../support/tcp-proxy';

const STREAM = 'EVENTS';
const SETTINGS: EventPublisherSettings = {
  eventsFormat: 'hotsock',
  eventsStream: STREAM,
  eventsSubjectPrefix: 'e',
  eventsMaxAgeSeconds: 0,
  eventsMaxBytes: -1,
  eventsReplicas: 1,
  compatVersion: '1.13.5',
};
/** One server cannot hold it. */
const IMPOSSIBLE = { ...SETTINGS, eventsReplicas: 3 };

let nats: TestNats;
let connection: StreamConnection;
let publisher: EventPublisher | undefined;
let dropped: number;
let waiting: number;
let lines: string[];
const log = { info: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(line) };
const silent = { info: () => undefined, warn: () => undefined };

beforeAll(async () => {
  nats = await startNats();
  connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
});
beforeEach(() => ([dropped, waiting, lines] = [0, 0, []]));
afterEach(async () => {
  publisher?.close();
  const manager = await connection.manager();
  await manager.streams.delete(STREAM).catch(() => undefined);
});
afterAll(async () => {
  await connection?.close();
  await nats?.stop();
});

const report = () => ({
  log,
  dropped: (events: number) => void (dropped += events),
  waiting: (change: number) => void (waiting += change),
});

function open(settings = SETTINGS, through = connection): EventPublisher {
  publisher = new EventPublisher(through, settings, '0', report());
  return publisher;
}

async function addStream(more: Partial<StreamConfig> = {}): Promise<void> {
  await (await connection.manager()).streams.add({ name: STREAM, subjects: ['e.>'], ...more });
}

const event = (n: number, text = ''): BackendEvent => ({
  id: ulid(),
  name: 'channelUpdated',
  channel: 'c',
  metadata: {},
  dataJson: JSON.stringify({ n, text }),
});

async function stored(): Promise<{ messages: number; first: number | undefined; last: number | undefined }> {
  const { streams } = await connection.manager();
  const { state } = await streams.info(STREAM);
  if (state.messages === 0) return { messages: 0, first: undefined, last: undefined };
  const numberAt = async (seq: number): Promise<number> =>
    (await streams.getMessage(STREAM, { seq })).json<{ data: { n: number } }>().data.n;
  return { messages: state.messages, first: await numberAt(state.first_seq), last: await numberAt(state.last_seq) };
}

it('says that the stream holds an event, not before it does', async () => {
  const events = open();
  await Promise.all([1, 2, 3].map((n) => events.publish(event(n))));
  expect(await stored()).toEqual({ messages: 3, first: 1, last: 3 });
  expect([waiting, dropped, lines]).toEqual([0, 0, []]);
});

it('sends what is published in whatever turn after the last of the others has left', async () => {
  await addStream({ max_msg_size: 4_096 });
  for (let turns = 0; turns < 10; turns++) {
    // The end of an event that is too large can be seen in the very moment.
    const next = new Promise<void>((resolve) => {
      const publishNext = async (): Promise<void> => {
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        await events.publish(event(turns));
      };
      const seen = () => {
        if (dropped++ === turns) resolve(publishNext());
      };
      const events = new EventPublisher(connection, SETTINGS, '0', { ...report(), dropped: seen });
      publisher = events;
      void events.publish(event(-1, 'x'.repeat(5_000)));
    });
    await next;
    expect((await stored()).last).toBe(turns);
    publisher?.close();
  }
});

it('keeps the last 100,000 events while there is no stream, and sends them when there is one (§4.4)', async () => {
  const events = open(IMPOSSIBLE);
  const published = 101_500;
  for (let n = 0; n < published; n++) void events.publish(event(n));
  expect(waiting).toBeLessThanOrEqual(100_000);
  expect(waiting).toBeGreaterThan(98_000);
  expect(dropped).toBe(published - waiting);
  // On a busy machine "it does not confirm in time" may stand before it.
  await eventually(() => expect(lines.at(-1)).toMatch(/EVENTS takes no events: replicas > 1 not supported/));
  await addStream();
  // As long as it goes on: how fast a machine is, the benchmark says.
  for (let before = Infinity; waiting > 0;) {
    const last = before;
    await eventually(() => expect(waiting).toBeLessThan(last));
    before = waiting;
  }
  expect(await stored()).toEqual({ messages: published - dropped, first: dropped, last: published - 1 });
  expect(lines.filter((line) => !line.includes('takes no events'))).toEqual([lines.at(-1)]);
  expect(lines.at(-1)).toBe('the events stream EVENTS takes events again');
});

it('keeps at most 256 MiB of them, and tells what is lost at the end', () => {
  const events = open(IMPOSSIBLE);
  const text = 'x'.repeat(1_048_576);
  for (let n = 0; n < 270; n++) void events.publish(event(n, text));
  expect(waiting).toBeLessThan(256);
  expect(waiting).toBeGreaterThan(240);
  events.close();
  expect([dropped, waiting]).toEqual([270, 0]);
});

it('drops an event that is too large for the stream or the server; those behind it are not held up (§4.4)', async () => {
  await addStream({ max_msg_size: 4_096 });
  const events = open();
  const sizes = [0, 5_000, 0, 9 * 1_048_576, 0];
  await Promise.all(sizes.map((size, n) => events.publish(event(n, 'x'.repeat(size)))));
  expect(await stored()).toEqual({ messages: 3, first: 0, last: 4 });
  expect([waiting, dropped, lines]).toEqual([0, 2, []]);
});

it('lets nobody wait for a stream that does not answer; the event is not lost', async () => {
  const proxy = await TcpProxy.start(nats.port);
  const through = await StreamConnection.open({ natsUrls: [`nats://127.0.0.1:${proxy.port}`] }, 'test', silent);
  try {
    const events = open(SETTINGS, through);
    await events.publish(event(1));
    proxy.swallowAnswers();
    await events.publish(event(2));
    expect(waiting).toBe(1);
    expect(lines).toEqual([expect.stringMatching(/EVENTS takes no events: .* not confirm in time/)]);
    // Nor do those that come later, although the one before is still without an answer.
    await events.publish(event(3));
    expect(waiting).toBe(2);
    // Who must know that the stream holds them waits all the same.
    let areTold = false;
    const told = events.told().then(() => (areTold = true));
    await events.publish(event(4));
    expect(areTold).toBe(false);
    // The connection is given up for dead after two pings, and made anew.
    await eventually(() => expect(waiting).toBe(0));
    await told;
    expect(await stored()).toEqual({ messages: 4, first: 1, last: 4 });
    expect(dropped).toBe(0);
  } finally {
    publisher?.close();
    await through.close();
    await proxy.stop();
  }
});

it('leaves the events of an owner to it, when they are withdrawn and when it closes', async () => {
  const events = open(IMPOSSIBLE);
  const [leaving, staying] = [{}, {}];
  const [withdrawn, kept] = [events.offer(event(1), leaving), events.offer(event(2), staying)];
  void events.publish(event(3));
  events.withdraw(leaving);
  await withdrawn.released;
  expect(waiting).toBe(2);
  events.close();
  await kept.released;
  expect({ waiting, dropped, over: [withdrawn.isOver, kept.isOver] }).toEqual({
    waiting: 0,
    dropped: 1,
    over: [false, false],
  });
});
