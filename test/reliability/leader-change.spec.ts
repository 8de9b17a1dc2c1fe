import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { LossyNats } from '../support/lossy-nats';
import { startNatsCluster, type TestNatsCluster } from '../support/nats-cluster';
import { AppProcess, startApp } from '../support/process';
import { signToken } from '../support/tokens';
import { connect, type Frame, WsClient } from '../support/ws-client';
import { ACCESS_KEY } from '../aws/signed-request';
import { Backend } from '../events/backend';
import { openSpeakers, type Speaker } from './speakers';

/**
 * Three NATS servers. While a stream has no leader, or has just got another, messages of a connection that are on their way
 * are lost while later ones of the same connection arrive. Whatever is accepted has the order of the calls all the same.
 */
const API_KEY = 'the key of this installation';
const SECRET = Buffer.alloc(32, 5);
const CHANNELS = ['by-http', 'by-lambda', 'by-websocket', 'by-socket-io'];
const STREAMS = ['HEARTH_INGEST_0', 'HEARTH_DELIVER', 'HEARTH_EVENTS'];
const ROUNDS = 10;
const LOSSES = 5;

let nats: TestNatsCluster;
let road: LossyNats;
let database: Awaited<ReturnType<typeof createDatabase>>;
let hearth: AppProcess;

beforeAll(async () => {
  [nats, database] = await Promise.all([startNatsCluster(), createDatabase()]);
  road = await LossyNats.start(nats.members[0]!.port);
  const env = {
    HEARTH_NATS_URL: road.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_PARTITIONS: '1',
    HEARTH_STREAM_REPLICAS: '3',
    HEARTH_EVENTS_REPLICAS: '3',
    HEARTH_HTTP_API_KEY_1: API_KEY,
    HEARTH_SIGNING_KEY_1_ENCODED: SECRET.toString('base64'),
    HEARTH_AWS_ACCESS_KEYS: `${ACCESS_KEY.id}:${ACCESS_KEY.secret}`,
    HEARTH_EVENTS_ENABLED: 'true',
    HEARTH_DRAIN_SECONDS: '0',
  };
  hearth = await startApp('hearth', env, { readyWithinMs: 60_000 });
});
afterAll(async () => {
  await hearth?.stop();
  await road?.stop();
  await nats?.stop();
  await database?.drop();
});

const token = (uid: string): string => {
  const messages = { e: { publish: true, echo: true, store: 600, emitPubSubEvent: true } };
  return signToken(
    { scope: 'connect', uid, channels: { '*': { subscribe: true, historyStart: 0, messages } } },
    { secret: SECRET },
  );
};

/** Subscribes to all channels; with a point, to go on behind it. */
async function subscribe(points: Readonly<Record<string, object>>): Promise<{ client: WsClient; subscribed: Frame[] }> {
  const client = await connect(hearth.wsUrl, token('listener'));
  closers.push(() => client.close());
  const subscribed: Frame[] = [];
  for (const channel of CHANNELS) {
    client.send({ event: 'hotsock.subscribe', channel, data: { resume: points[channel] ?? true } });
    subscribed.push(await client.next('hotsock.subscribed'));
  }
  return { client, subscribed };
}

const numbersOf = (client: WsClient, channel: string): number[] =>
  client.frames.filter((frame) => frame.event === 'e' && frame.channel === channel).map(({ data }) => data.n as number);

async function breakConnections(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    road.break();
    await delay(200);
  }
}

async function changeLeaders(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await nats.stepDown(STREAMS[round % STREAMS.length] ?? '');
    await delay(50);
  }
}

/** What stands before an earlier one, and what was accepted and is not there: nothing, if all is well. */
function faultsOf(what: string, numbers: readonly number[], { channel, accepted }: Speaker): string[] {
  const faults: string[] = [];
  for (const [index, n] of numbers.entries()) {
    const before = numbers[index - 1] ?? -1;
    if (n <= before) faults.push(`${what} of ${channel}: ${n} behind ${before}`);
  }
  const there = new Set(numbers);
  const lost = accepted.filter((n) => !there.has(n));
  if (lost.length > 0) faults.push(`${what} of ${channel}: ${lost.length} lost: ${lost.slice(0, 10).join()}`);
  return faults;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Loses one message of each kind that a stream takes, and waits until its publisher has noticed; several times. */
async function loseSome(): Promise<void> {
  for (let n = 0; n < LOSSES; n++) {
    for (const kind of ['ingest', 'deliver', 'events']) {
      let count = 0;
      road.loseToServer(({ subject }) => subject.startsWith(`hearth.${kind}.`) && ++count === 1);
      await eventually(() => expect(count).toBeGreaterThan(10));
    }
  }
  road.loseToServer(() => false);
}

it.each<[string, () => Promise<void>]>([
  ['single messages are lost on their way to a stream', loseSome],
  ['connections to NATS break', breakConnections],
  ['streams change their leaders', changeLeaders],
])('keeps the order of what each connection sends while %s', async (what, happens) => {
  const { client: listener, subscribed } = await subscribe({});
  const points = Object.fromEntries(subscribed.map(({ channel, data }) => [channel, { token: data.resume.token }]));
  const speakers = await openSpeakers({ port: hearth.port, apiKey: API_KEY, token: token('speaker') });
  closers.push(() => speakers.forEach((speaker) => speaker.close()));
  for (const speaker of speakers) speaker.start();
  await eventually(() => expect(speakers.every(({ accepted }) => accepted.length > 20)).toBe(true));

  await happens();
  const progress = speakers.map(({ accepted }) => accepted.length + 20);
  await eventually(() =>
    expect(speakers.every(({ accepted }, index) => accepted.length > progress[index]!)).toBe(true),
  );
  for (const speaker of speakers) speaker.fallSilent();
  await eventually(() => expect(speakers.filter((speaker) => !speaker.isAnswered)).toEqual([]));

  const troubles: unknown[] = [];
  const backend = await Backend.open(nats.members[0]!.url, (error) => troubles.push(error));
  closers.push(() => backend.close());
  const { client: returned } = await subscribe(points);
  const faults = () =>
    speakers.flatMap((speaker) => {
      const told = backend
        .eventsOf('messagePublished')
        .filter(({ envelope }) => envelope.data.channel === speaker.channel)
        .map(({ envelope }) => envelope.data.data.n as number);
      return [
        ...faultsOf('live', numbersOf(listener, speaker.channel), speaker),
        ...faultsOf('resume', numbersOf(returned, speaker.channel), speaker),
        ...faultsOf('events', [...new Set(told)], speaker),
      ];
    });
  await eventually(() => expect(faults()).toEqual([]), 20_000);
  const counts = speakers.map(({ channel, accepted, refused }) => `${channel} ${accepted.length}/${refused}`);
  process.stdout.write(`accepted/refused while ${what}: ${counts.join(', ')}\n`);
  expect(troubles).toEqual([]);
});
