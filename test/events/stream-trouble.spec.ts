import { StreamConnection } from '@hearth/stream';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JetStreamManager, StreamConfig } from 'nats';
import { Client as Sql } from 'pg';
import { Client, Testbed } from '../support/installation';
import { Installation } from '../start/hearth-process';
import { eventually } from '../support/eventually';

/** An events stream that is not there, or takes nothing, is nobody's trouble but its readers' (pubsub-events §4.4). */
const STREAM = 'HEARTH_EVENTS';
const SUBJECTS = ['hearth.events.v1.>'];
/** More of them, and of their messages, than the sequencer has batches on their way at a time. */
const CHANNELS = Array.from({ length: 16 }, (_, index) => `c${index}`);
const PER_CHANNEL = 40;

let testbed: Testbed;
let connection: StreamConnection;
let manager: JetStreamManager;
let watcher: Client;

async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
  testbed = await Testbed.start(env);
  const silent = { info: () => undefined, warn: () => undefined };
  connection = await StreamConnection.open({ natsUrls: [testbed.nats.url] }, 'test', silent);
  manager = await connection.manager();
  watcher = await testbed.connect({
    uid: 'w',
    channels: { '*': { subscribe: true, historyStart: 0, storage: { k: { set: true, get: true, store: 60 } } } },
  });
  for (const channel of CHANNELS) await watcher.subscribe(channel);
}

async function stop(): Promise<void> {
  await connection?.close();
  await testbed?.stop();
}

/** In the place of the stream that there is. */
async function replaceStream(config: Partial<StreamConfig>): Promise<void> {
  await manager.streams.delete(STREAM);
  await manager.streams.add({ name: STREAM, subjects: SUBJECTS, ...config });
}

/** Refuses events as soon as it has ten. */
const refusing = { max_msgs: 10, discard: 'new' } as unknown as Partial<StreamConfig>;

let round = 0;
/**
 * Publishes to all channels, one request after the other so that there are many batches, and waits until the watcher has
 * all of it in order.
 *
 * @returns the name of the messages' event
 */
async function publishRound(emitPubSubEvent = true): Promise<string> {
  const event = `r${++round}`;
  for (let n = 0; n < PER_CHANNEL; n++) {
    await testbed.publish(...CHANNELS.map((channel) => ({ channel, event, data: n, emitPubSubEvent })));
  }
  await eventually(() => {
    const came = Object.fromEntries(CHANNELS.map((channel) => [channel, [] as unknown[]]));
    for (const frame of watcher.ws.frames) if (frame.event === event) came[frame.channel]?.push(frame.data);
    for (const channel of CHANNELS) expect([channel, came[channel]]).toEqual([channel, inOrder]);
  });
  return event;
}
const inOrder = Array.from({ length: PER_CHANNEL }, (_, n) => n);

/** Everything that waits for the sequencer's saved position is answered in its ordinary time. */
async function expectAnswers(): Promise<void> {
  const [channel] = CHANNELS;
  const [id] = await testbed.store('kept', { round });
  expect(id).toEqual(expect.any(String));
  expect((await watcher.call('channelStorageSet', { channel, key: 'k', data: round })).status).toBe(202);
  await eventually(async () => {
    const { json } = await watcher.call('channelStorageGet', { channel, key: 'k' });
    expect(json).toMatchObject({ data: round });
  });
  expect(await testbed.channel(channel!)).toMatchObject({ subscriptionsCount: 1 });
}

/** The stream tells the messages of these rounds, each once and those of a channel in order. */
async function expectTold(...rounds: readonly string[]): Promise<void> {
  const expected = CHANNELS.map((channel) => [channel, rounds.flatMap((name) => inOrder.map((n) => `${name} ${n}`))]);
  await eventually(async () => {
    const told = new Map(CHANNELS.map((channel) => [channel, [] as string[]]));
    const { state } = await manager.streams.info(STREAM);
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const { type, data } = (await manager.streams.getMessage(STREAM, { seq })).json<{
        type: string;
        data: { event: string; channel: string; data: unknown };
      }>();
      if (type !== 'hotsock.messagePublished' || !rounds.includes(data.event)) continue;
      told.get(data.channel)?.push(`${data.event} ${JSON.stringify(data.data)}`);
    }
    expect([...told]).toEqual(expected);
  });
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${testbed.app('sequencer').adminPort}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

const logged = (pattern: RegExp, from = 0): string[] =>
  testbed
    .app('sequencer')
    .lines.slice(from)
    .filter((line) => pattern.test(line));

describe('an events stream that', () => {
  beforeAll(() => start());
  afterAll(stop);

  it('refuses events delays nothing; it gets them, in order, when it takes them again', async () => {
    await replaceStream(refusing);
    const told = await publishRound();
    await publishRound(false);
    await expectAnswers();
    expect(await metric('hearth_events_waiting')).toBeGreaterThanOrEqual(CHANNELS.length * PER_CHANNEL - 10);
    expect(await metric('hearth_events_dropped_total')).toBe(0);
    expect(logged(/"level":"WARN".*events stream HEARTH_EVENTS.*maximum messages exceeded/)).toHaveLength(1);
    const { config } = await manager.streams.info(STREAM);
    await manager.streams.update(STREAM, { ...config, max_msgs: -1 });
    await expectTold(told);
    await eventually(async () => expect(await metric('hearth_events_waiting')).toBe(0));
    expect(logged(/"level":"INFO".*events stream HEARTH_EVENTS takes events again/)).not.toEqual([]);
  });

  it('is deleted is made again, and gets what was published meanwhile', async () => {
    const from = testbed.app('sequencer').lines.length;
    await manager.streams.delete(STREAM);
    const told = await publishRound();
    await expectAnswers();
    await expectTold(told);
    expect(logged(/"level":"WARN".*events stream HEARTH_EVENTS.*no stream takes the message/, from)).toHaveLength(1);
  });

  it('is lost with everything that NATS had stored is there again after the reconnect, before the next event', async () => {
    await testbed.nats.kill();
    await rm(join(testbed.nats.storeDir, 'jetstream'), { recursive: true });
    await testbed.nats.restart();
    await eventually(() => manager.streams.info(STREAM));
  });
});

it('what a sequencer that ends, however it ends, has not told is told by the next one, in order', async () => {
  await start();
  const sql = new Sql(testbed.database.url);
  try {
    await sql.connect();
    await replaceStream(refusing);
    const first = await publishRound();
    // With an answer, the position is saved that is behind it.
    await expectAnswers();
    const killed = testbed.app('sequencer');
    await killed.kill('SIGKILL');
    testbed.apps.splice(testbed.apps.indexOf(killed), 1);
    await testbed.add('sequencer');
    const second = await publishRound();
    const stopped = testbed.app('sequencer');
    expect(await stopped.stop()).toEqual({ code: 0, signal: null });
    expect(logged(/"level":"(ERROR|FATAL)"/)).toEqual([]);
    testbed.apps.splice(testbed.apps.indexOf(stopped), 1);
    await testbed.add('sequencer');
    const third = await publishRound();
    const { config } = await manager.streams.info(STREAM);
    await manager.streams.update(STREAM, { ...config, max_msgs: -1 });
    await expectTold(first, second, third);
    await eventually(async () => expect((await sql.query('select from waiting_event')).rowCount).toBe(0));
  } finally {
    await sql.end();
    await stop();
  }
});

describe('an events stream that cannot be created', () => {
  afterAll(stop);

  it('keeps nothing from starting, working and ending; it is created when it can be', async () => {
    await start({ HEARTH_EVENTS_REPLICAS: '3' });
    await publishRound();
    await expectAnswers();
    expect(logged(/"level":"WARN".*events stream HEARTH_EVENTS.*replicas > 1 not supported/)).toHaveLength(1);
    expect(await testbed.app('sequencer').stop()).toEqual({ code: 0, signal: null });
    await testbed.add('sequencer', { HEARTH_EVENTS_REPLICAS: '1' });
    await manager.streams.info(STREAM);
  });

  it('keeps the all-in-one from neither starting nor ending', async () => {
    const installation = new Installation();
    try {
      const run = await installation.start({ HEARTH_EVENTS_ENABLED: 'true', HEARTH_EVENTS_REPLICAS: '3' });
      expect(run.stdout).toMatch(/events stream HEARTH_EVENTS.*replicas > 1 not supported/);
      expect(await run.end('SIGTERM')).toBe(0);
    } finally {
      await installation.remove();
    }
  });
});
