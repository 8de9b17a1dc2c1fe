import { DELIVER_STREAM } from '@hearth/wire';
import { lastDelivered, StreamConnection } from '@hearth/stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { eventually } from '../support/eventually';
import { connectToken, Testbed } from '../support/installation';
import { type Frame, WsClient } from '../support/ws-client';

/** Resumes of channels that have been silent for longer than the deliver stream keeps a message (resume §3, R16, R18). */
const WINDOW_SECONDS = 20;
let testbed: Testbed;
let sql: Client;
let stream: StreamConnection;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_DELIVER_MAX_AGE_SECONDS: String(WINDOW_SECONDS) });
  sql = new Client(testbed.database.url);
  await sql.connect();
  const silent = { info: () => undefined, warn: () => undefined };
  stream = await StreamConnection.open({ natsUrls: [testbed.nats.url] }, 'test', silent);
});
afterAll(async () => {
  await sql?.end();
  await stream?.close();
  await testbed?.stop();
});

interface Point {
  readonly after?: string;
  readonly token: string;
}

const CLAIMS = { uid: 'u1', channels: { '*': { subscribe: true } } };

async function subscribe(gateway: number, channel: string, resume: Point | true) {
  const client = await WsClient.open(`${testbed.gateways[gateway]!.wsUrl}?token=${connectToken(CLAIMS)}`);
  client.send({ event: 'hotsock.subscribe', channel, data: { resume } });
  const { data } = await client.next('hotsock.subscribed');
  return { client, ...(data.resume as { complete?: boolean; token: string }) };
}

const publish = (channel: string, data: unknown) => testbed.publish({ channel, event: 'e', data });

/** A client that sees some messages and goes; where it was after each of them. */
async function visit(channel: string, count: number): Promise<Point[]> {
  const { client, token } = await subscribe(0, channel, true);
  const points: Point[] = [];
  for (let n = 0; n < count; n++) {
    await publish(channel, n);
    const { id }: Frame = await client.next('e');
    points.push({ after: id as string, token });
  }
  await client.close();
  return points;
}

/** What the other gateway says to one that comes back, and what it sends. */
async function resume(channel: string, point: Point): Promise<{ complete?: boolean; data: unknown[] }> {
  const { client, complete } = await subscribe(1, channel, point);
  await publish(channel, 'now');
  await client.next(({ event, data }) => event === 'e' && data === 'now');
  const data = client.frames.filter(({ event }) => event === 'e').map((frame) => frame.data as unknown);
  await client.close();
  return { complete, data };
}

const notes = async () =>
  (await sql.query<{ partition: number; series: string; deliver_seq: string }>('select * from channel_end_note')).rows;
const isNoted = (channel: string, { after }: Point) =>
  eventually(async () => {
    const { rows } = await sql.query('select id from channel_end where channel = $1', [channel]);
    expect(rows).toEqual([{ id: after }]);
  }, 30_000);

/** Others go on talking until the stream holds nothing of these channels any more. */
async function outlast(...channels: string[]): Promise<void> {
  const isHeld = async (channel: string) => (await lastDelivered(stream, channel)) !== undefined;
  while ((await Promise.all(channels.map(isHeld))).includes(true)) {
    for (let n = 0; n < 10; n++) await publish(`other${n}`, n);
    await delay(500);
  }
}

it('are complete when nothing is missing, whichever process has died, and until the stream is purged', async () => {
  const [quiet] = await visit('quiet', 1);
  const [first, second] = await visit('missed', 2);
  const twoPurged = [await visit('purged1', 1), await visit('purged2', 1)];
  await isNoted('quiet', quiet!);
  // Nobody has noted this one when its owner dies.
  const [unnoted] = await visit('unnoted', 1);
  await testbed.app('sequencer').kill('SIGKILL');
  await testbed.add('sequencer');
  await outlast('quiet', 'missed', 'unnoted', 'purged1', 'purged2');

  expect(await resume('quiet', quiet!)).toEqual({ complete: true, data: ['now'] });
  expect(await resume('unnoted', unnoted!)).toEqual({ complete: true, data: ['now'] });
  expect(await resume('never', { token: (await subscribe(0, 'never', true)).token })).toMatchObject({ complete: true });
  expect(await resume('missed', first!)).toEqual({ complete: false, data: ['now'] });
  // What the one before published, it may or may not have been sent before its own came.
  expect(new Set((await resume('missed', second!)).data)).toEqual(new Set(['now']));

  const before = await notes();
  await publish('other', 'not noted yet');
  await (await stream.manager()).streams.purge(DELIVER_STREAM);
  await publish('other', 'on');
  expect(await resume('purged1', twoPurged[0]![0]!)).toMatchObject({ complete: false });
  await eventually(async () => {
    for (const { partition, series } of await notes()) {
      expect(Number(series)).toBeGreaterThan(Number(before.find((note) => note.partition === partition)!.series));
    }
  }, 30_000);
  expect(await resume('purged2', twoPurged[1]![0]!)).toMatchObject({ complete: false });
}, 180_000);
