import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { GatewayUnderTest, subscribe } from '../gateway/gateway-under-test';
import { PARTITIONS, Testbed } from '../sequencer/testbed';
import { DELIVER_STREAM } from '@hearth/wire';
import { eventually } from '../support/eventually';
import { LossyNats, type PassingMessage } from '../support/lossy-nats';
import type { WsClient } from '../support/ws-client';

/**
 * Messages that are lost on their way to a gateway whose connection to NATS stays, so that nothing but the owners of the
 * partitions can tell it (resume §4: within 10 s, also when no later message follows).
 */
const NOTICED_WITHIN_MS = 10_000;
let testbed: Testbed;
let lossy: LossyNats;
let gateway: GatewayUnderTest;

beforeAll(async () => {
  testbed = await Testbed.start();
  await testbed.addSequencer();
  lossy = await LossyNats.start(testbed.nats.port);
  gateway = await GatewayUnderTest.start(
    { natsUrl: lossy.url, databaseUrl: testbed.database.url },
    { partitions: PARTITIONS },
  );
});
afterAll(async () => {
  await gateway?.stop();
  await lossy?.stop();
  await testbed?.stop();
});

const SENT = { event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false } as const;
const publish = (channel: string, data: unknown): Promise<void> =>
  testbed.ingest.publish({ channel, requestId: randomUUID(), ...SENT }, JSON.stringify(data));
const dataOf = ({ frames }: WsClient) => frames.filter(({ event }) => event === 'e').map(({ data }) => data);
/** What is read from a stream comes from elsewhere, and comes through. */
const isLive = ({ subject, reply }: PassingMessage): boolean =>
  subject.startsWith('hearth.deliver.') && !reply.startsWith('$JS.ACK.');
const isBeacon = ({ subject }: PassingMessage): boolean => subject.startsWith('hearth.tails.');

it.each<[string, number, (message: PassingMessage) => boolean]>([
  ['messages alone', 0, isLive],
  ['all that the owners of partitions send, for 12 s', 12_000, (message) => isLive(message) || isBeacon(message)],
])(
  'of %s: clients get them',
  async (name, ms, isLost) => {
    const channels = Array.from({ length: 8 }, (_, n) => `${name.length}-${n}`);
    const client = await gateway.connect({ channels: { '*': { subscribe: true } } });
    for (const channel of channels) await subscribe(client, channel);
    for (const channel of channels) await publish(channel, `${channel} before`);
    await eventually(() => expect(dataOf(client)).toHaveLength(8));

    lossy.lost = 0;
    lossy.lose(isLost);
    for (const channel of channels) await publish(channel, `${channel} lost`);
    await eventually(() => expect(lossy.lost).toBeGreaterThanOrEqual(8));
    await delay(ms);
    lossy.lose(() => false);
    await eventually(() => expect(dataOf(client)).toHaveLength(16), NOTICED_WITHIN_MS);
    expect(dataOf(client).slice(8).sort()).toEqual(channels.map((channel) => `${channel} lost`));
    expect(gateway.log.filter((line) => line.includes('NATS reconnected'))).toEqual([]);
    expect(gateway.log.filter((line) => line.includes('"ERROR"'))).toEqual([]);
  },
  60_000,
);

it('by a gateway that knows a deliver stream which has been made anew since: clients get them', async () => {
  const channel = 'made-anew';
  for (let n = 0; n < 50; n++) await publish(channel, `early ${n}`);
  const early = await gateway.connect({ channels: { '*': { subscribe: true } } });
  await subscribe(early, channel);
  await publish(channel, 'before');
  await eventually(() => expect(dataOf(early)).toContain('before'));

  const { streams } = await testbed.connection.manager();
  await streams.delete(DELIVER_STREAM);
  await eventually(() => streams.info(DELIVER_STREAM));
  lossy.lose(isLive);
  lossy.lost = 0;
  await publish(channel, 'lost');
  await eventually(() => expect(lossy.lost).toBeGreaterThan(0));
  lossy.lose(() => false);
  await eventually(() => expect(dataOf(early).at(-1)).toBe('lost'));
}, 60_000);
