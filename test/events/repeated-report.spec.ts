import { partitionOf } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import { Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { TcpProxy } from '../support/tcp-proxy';
import { Backend } from './backend';

const PARTITIONS = 2;
/** Longer than an ingest stream remembers what it was sent (15 s). */
const OUTAGE_MS = 16_000;
/** One channel of each partition. */
const [ENTERED, LEFT] = [channelOf(0), channelOf(1)];

let testbed: Testbed;
let proxy: TcpProxy;
let gateway: AppProcess;
let backend: Backend;
const troubles: unknown[] = [];

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_PARTITIONS: String(PARTITIONS) });
  proxy = await TcpProxy.start(testbed.nats.port);
  gateway = await testbed.add('gateway', { HEARTH_NATS_URL: `nats://127.0.0.1:${proxy.port}` });
  backend = await Backend.open(testbed.nats.url, (error) => troubles.push(error));
});

afterAll(async () => {
  await backend?.close();
  await testbed?.stop();
  await proxy?.stop();
});

function channelOf(partition: number): string {
  for (let n = 0; ; n++) if (partitionOf(`room${n}`, PARTITIONS) === partition) return `room${n}`;
}

/** What was told of a channel: events with whom they are about, or with the count. */
function toldOf(channel: string): string[] {
  return backend.events
    .filter(({ envelope }) => envelope.metadata.channel === channel)
    .map(({ envelope: { type, data } }) => `${type} ${data.uid ?? data.subscriptionsCount}`.replace('hotsock.', ''));
}

it('a report of subscriptions that is stored twice because its confirmation was lost before an outage of 16 s is told once (pubsub-events §4.4)', async () => {
  const connect = (uid: string) => testbed.connect({ uid, channels: { '*': { subscribe: true } } }, gateway);
  const [staying, moving] = [await connect('staying'), await connect('moving')];
  await staying.subscribe(ENTERED);
  await staying.subscribe(LEFT);
  await moving.subscribe(LEFT);
  const before = {
    [ENTERED]: ['subscribed staying', 'channelUpdated 1'],
    [LEFT]: ['subscribed staying', 'channelUpdated 1', 'subscribed moving', 'channelUpdated 2'],
  };
  const expectTold = (more: Readonly<Record<string, readonly string[]>>) =>
    eventually(() => {
      for (const [channel, events] of Object.entries(before)) {
        expect(toldOf(channel)).toEqual([...events, ...(more[channel] ?? [])]);
      }
    });
  await expectTold({});

  proxy.swallowAnswers();
  await moving.subscribe(ENTERED);
  await moving.unsubscribe(LEFT);
  const entered = ['subscribed moving', 'channelUpdated 2'];
  const left = ['unsubscribed moving', 'channelUpdated 1'];
  await expectTold({ [ENTERED]: entered, [LEFT]: left });
  // The next owner knows what the database knows.
  await testbed.apps.find(({ name }) => name === 'sequencer')?.stop();
  await testbed.nats.kill();
  await delay(OUTAGE_MS);
  await testbed.nats.restart();
  await testbed.add('sequencer');

  // Each goes the way of what is repeated, behind it.
  await moving.unsubscribe(ENTERED);
  await moving.subscribe(LEFT);
  await expectTold({
    [ENTERED]: [...entered, 'unsubscribed moving', 'channelUpdated 1'],
    [LEFT]: [...left, 'subscribed moving', 'channelUpdated 2'],
  });
  expect(troubles).toEqual([]);
});
