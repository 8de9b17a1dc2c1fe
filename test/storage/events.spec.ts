import { setTimeout as delay } from 'node:timers/promises';
import { IngestPublisher, PullConsumer, StreamConnection } from '@hearth/stream';
import { Client as SqlClient } from 'pg';
import { Client, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';

/** `hotsock.channelStorageUpdated` for backends (pubsub-events §3.6), and the end of entries (channels-presence-storage §5.2). */
let testbed: Testbed;
let stream: StreamConnection;
let sql: SqlClient;
beforeAll(async () => {
  testbed = await Testbed.start();
  const silent = { info: () => undefined, warn: () => undefined };
  stream = await StreamConnection.open({ natsUrls: [testbed.nats.url] }, 'test', silent);
  sql = new SqlClient(testbed.database.url);
  await sql.connect();
});
afterAll(async () => {
  await sql?.end();
  await stream?.close();
  await testbed?.stop();
});

interface StorageEvent {
  readonly subject: string;
  readonly type: string;
  readonly dataType: string;
  readonly metadata: Record<string, string>;
  readonly data: Record<string, unknown>;
}

let number = 0;
const newChannel = () => `e${++number}`;
const EMITTING = { observe: true, get: true, set: true, emitPubSubEvent: true };

function client(channel: string, storage: object): Promise<Client> {
  return testbed.connect({ uid: 'u1', umd: 7, channels: { [channel]: { subscribe: true, storage } } });
}

async function set({ ws }: Client, channel: string, key: string, data: unknown): Promise<void> {
  ws.send({ event: 'hotsock.channelStorageSet', channel, key, data });
  ws.send({ event: 'hotsock.channelStorageGet', channel, key });
  await ws.next('hotsock.channelStorageData');
}

/** The first events about storage entries of a channel. */
async function events(channel: string, count: number): Promise<StorageEvent[]> {
  const subject = `hearth.events.v1.channelStorage.channelStorageUpdated.${channel}`;
  const consumer = await eventually(() => PullConsumer.open(stream, 'HEARTH_EVENTS', 'first', subject));
  const all: StorageEvent[] = [];
  while (all.length < count) {
    for (const message of await consumer.next(100)) {
      const event = JSON.parse(Buffer.from(message.payload).toString('utf8')) as StorageEvent;
      all.push({ ...event, subject: message.subject });
    }
  }
  consumer.close();
  return all;
}

it('creation, change, clearing: an event each; an equal value: none (pubsub-events §5.4)', async () => {
  const channel = newChannel();
  const one = await client(channel, { k: { ...EMITTING, store: 60 } });
  await set(one, channel, 'k', { a: 1, b: 2 });
  await set(one, channel, 'k', { b: 2, a: 1 });
  const call = { channel, key: 'k', data: 'http' };
  expect((await one.call('channelStorageSet', call)).status).toBe(202);
  await set(one, channel, 'k', null);
  const about = { channel, key: 'k', meta: { uid: 'u1', umd: 7 } };
  const all = await events(channel, 3);
  expect(all.map(({ data }) => data)).toEqual([
    { ...about, data: { a: 1, b: 2 }, dataPrevious: null, expiresAt: expect.stringMatching(/T\d\d:\d\d:\d\dZ$/) },
    { ...about, data: 'http', dataPrevious: { b: 2, a: 1 }, expiresAt: expect.any(String) },
    { ...about, data: null, dataPrevious: 'http', expiresAt: null },
  ]);
  expect(all[0]).toMatchObject({
    subject: `hearth.events.v1.channelStorage.channelStorageUpdated.${channel}`,
    type: 'hotsock.channelStorageUpdated',
    dataType: 'channelStorage',
  });
  const versions = { hotsockVersion: expect.any(String), hearthVersion: expect.any(String) };
  const origin = { ...versions, channel, key: 'k', connectionId: one.id, sourceIp: '127.0.0.1' };
  expect(all[0]?.metadata).toEqual({ ...origin, trigger: 'client.websocket' });
  expect(all[1]?.metadata).toEqual({ ...origin, trigger: 'client.http', userAgent: 'node' });
});

it('servers say so themselves, and are nobody', async () => {
  const channel = newChannel();
  const document = { channel, event: 'hotsock.channelStorageSet', key: 'k', emitPubSubEvent: true };
  await testbed.publish({ ...document, data: 1 }, { ...document, data: 2, emitPubSubEvent: false });
  await testbed.publish({ ...document, data: 3 });
  const [first, second] = await events(channel, 2);
  expect(first?.data).toMatchObject({ data: 1, dataPrevious: null, meta: { uid: null, umd: null } });
  expect(first?.metadata).toMatchObject({ trigger: 'server.http' });
  expect(first?.metadata).not.toHaveProperty('connectionId');
  expect(second?.data).toMatchObject({ data: 3, dataPrevious: 2 });
});

it('an entry that ends is told to backends within the minute, with the last write’s values, and to no observer (§8.7)', async () => {
  const channel = newChannel();
  const one = await client(channel, {
    k: { ...EMITTING, store: 1 },
    silent: { ...EMITTING, store: 1, emitPubSubEvent: false },
  });
  await one.subscribe(channel);
  await set(one, channel, 'silent', 1);
  await set(one, channel, 'k', [1]);
  const seen = one.ws.frames.length;
  const [created, ended] = await events(channel, 2);
  expect(ended?.data).toEqual({
    channel,
    key: 'k',
    data: null,
    dataPrevious: [1],
    expired: true,
    expiresAt: created?.data.expiresAt,
    meta: { uid: 'u1', umd: 7 },
  });
  expect(ended?.metadata).toEqual(created?.metadata);
  await eventually(async () => {
    expect((await sql.query('select key from channel_storage where channel = $1', [channel])).rows).toEqual([]);
  });
  await testbed.publish({ channel, event: 'end' });
  await one.ws.next('end');
  expect(one.ws.frames.slice(seen).map(({ event }) => event as string)).toEqual(['end']);
});

it('an entry that was written anew before its end does not end then', async () => {
  const channel = newChannel();
  const one = await client(channel, { k: { ...EMITTING, store: 1 } });
  const document = { channel, event: 'hotsock.channelStorageSet', key: 'k', emitPubSubEvent: true };
  await set(one, channel, 'k', 1);
  await testbed.publish({ ...document, data: 1 });
  // Longer than its first end and the look for what has ended.
  await delay(4_000);
  await testbed.publish({ ...document, data: 2 });
  expect((await events(channel, 2)).map(({ data }) => data.data)).toEqual([1, 2]);
});

it('many entries that end at the same time all end, each once', async () => {
  const channel = newChannel();
  const documents = Array.from({ length: 500 }, (_, i) => ({
    channel,
    event: 'hotsock.channelStorageSet',
    key: `k${i}`,
    data: i,
    store: 1,
    emitPubSubEvent: true,
  }));
  await testbed.publish(...documents);
  const ended = (await events(channel, 1_000)).filter(({ data }) => data.expired === true);
  expect(new Set(ended.map(({ metadata }) => metadata.key)).size).toBe(500);
  expect(ended).toHaveLength(500);
});

it('a scheduled write happens when it is due, with its time to live from then', async () => {
  const channel = newChannel();
  const scheduleBefore = Math.floor(Date.now() / 1_000) + 600;
  const one = await client(channel, { k: { ...EMITTING, store: 60, scheduleBefore } });
  await one.subscribe(channel);
  const dueMs = Math.ceil(Date.now() / 1_000) * 1_000 + 1_000;
  const scheduleExpression = `at(${new Date(dueMs).toISOString().slice(0, 19)})`;
  const { status, json } = await one.call('channelStorageSet', {
    channel,
    key: 'k',
    data: 'later',
    scheduleExpression,
  });
  expect([status, json]).toEqual([
    202,
    {
      channel,
      event: 'hotsock.channelStorageSet',
      scheduleArn: expect.stringMatching(/^arn:aws:scheduler:us-east-1:000000000000:schedule\/Hearth\/[0-9A-Z]{26}$/),
    },
  ]);
  expect((await one.call('channelStorageGet', { channel, key: 'k' })).json.data).toBeNull();
  const ingest = new IngestPublisher(stream, { partitions: 2, httpTimeoutMs: 5_000, publishAck: 'stream' });
  try {
    const scheduleId = (json.scheduleArn as string).slice(-26);
    const partition = ingest.partitionOf(channel);
    const fire = () => ingest.send({ kind: 'fire', partition, scheduleId });
    // Said too early, nothing happens.
    await fire();
    await delay(dueMs - Date.now() + 50);
    await fire();
    expect(await one.ws.next('hotsock.channelStorageUpdated')).toMatchObject({ data: 'later', meta: { uid: 'u1' } });
    expect(Date.now()).toBeGreaterThanOrEqual(dueMs);
    const [event] = await events(channel, 1);
    expect(Date.parse(event?.data.expiresAt as string)).toBeGreaterThanOrEqual(dueMs + 60_000);
  } finally {
    ingest.close();
  }
});
