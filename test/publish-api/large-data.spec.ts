import { Testbed } from '../support/installation';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import type { Frame } from '../support/ws-client';

const MIB = 1_048_576;
/** What is put around `data` on its way has this much of NATS's largest message. */
const ENVELOPE_BYTES = 65_536;

/** Valid data of exactly so many bytes, little of which counts: white space is kept, but not measured as data. */
const dataOf = (bytes: number): string => `[${' '.repeat(bytes - 3)}1]`;
const documentOf = (channel: string, data: string, more = {}): string =>
  `${JSON.stringify({ channel, event: 'large', ...more }).slice(0, -1)},"data":${data}}`;

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_MAX_BODY_BYTES: String(16 * MIB), HEARTH_PARTITIONS: '1' });
});
afterAll(() => testbed.stop());

async function subscriber(channel: string) {
  const messages = { '*': { publish: true, store: 60 } };
  const channels = { [channel]: { subscribe: true, historyStart: 0, messages, storage: { '*': { set: true } } } };
  const client = await testbed.connect({ uid: 'u', channels });
  await client.subscribe(channel);
  return client;
}

/** Waits until everything has noticed that NATS is back; the channel is one that no gateway has open. */
async function natsIsBack(channel: string): Promise<void> {
  await eventually(() => testbed.publish({ channel, event: 'e' }));
  await eventually(async () => {
    const client = await testbed.connect({ channels: { [channel]: { subscribe: true } } });
    await client.subscribe(channel).finally(() => client.ws.close());
  });
}

/** That everything else goes on: in order, in history. */
async function expectToGoOn(channel: string): Promise<void> {
  const client = await subscriber(channel);
  await testbed.publish({ channel, event: 'small', data: 1, store: 60 });
  await client.ws.next('small');
  expect((await client.list({ channel, reverse: true }))[0]).toMatchObject({ event: 'small' });
  expect((await testbed.channel(channel)).subscriptionsCount).toBeGreaterThan(0);
  await client.ws.close();
}

const TOO_LARGE = (bytes: number) => ({
  code: 'PAYLOAD_TOO_LARGE',
  message: `data must be at most ${bytes} bytes as written`,
});

it('delivers and keeps the largest data that NATS takes, and refuses one byte more by its name', async () => {
  const most = 8 * MIB - ENVELOPE_BYTES;
  const client = await subscriber('http');
  expect((await testbed.publishOne(documentOf('http', dataOf(most), { store: 60 }))).status).toBe(202);
  const { id } = await client.ws.next('large');
  expect(client.ws.texts.at(-1)).toContain(dataOf(most));
  expect((await client.list({ channel: 'http' })).map((message: Frame) => message.id)).toEqual([id]);

  for (const more of [{}, { store: 60, emitPubSubEvent: true }, { deduplicationId: 'd' }]) {
    const { status, json } = await testbed.publishOne(documentOf('http', dataOf(most + 1), more));
    expect([status, json.error]).toEqual([413, TOO_LARGE(most)]);
  }
  const write = documentOf('http', dataOf(most + 1), { event: 'hotsock.channelStorageSet', key: 'k' });
  expect((await testbed.publishOne(write)).json.error).toEqual(TOO_LARGE(most));
  await expectToGoOn('http');
});

it('refuses what a client sends over HTTP and no gateway can be asked', async () => {
  const client = await subscriber('client');
  for (const [operation, more] of [
    ['publishMessage', {}],
    ['channelStorageSet', { event: undefined, key: 'k' }],
  ] as const) {
    const { status, json } = await client.call(operation, documentOf('client', dataOf(9 * MIB), more));
    expect([status, json.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  }
  await expectToGoOn('client');
});

it('knows the limit of a NATS server that takes less, and goes on past a message from before', async () => {
  const sequencer = testbed.app('sequencer');
  const client = await subscriber('less');
  await pauseProcess(sequencer.pid);
  expect((await testbed.publishOne(documentOf('less', dataOf(2 * MIB), { store: 60 }))).status).toBe(202);
  await testbed.nats.restart({ maxPayload: '1MB' });
  resumeProcess(sequencer.pid);
  await natsIsBack('back1');

  await expectToGoOn('less');
  expect(client.ws.frames.map(({ event }) => event)).not.toContain('large');
  expect(sequencer.lines.join('\n')).toContain('not delivered: NATS takes no message of this size');
  expect((await client.list({ channel: 'less' })).map(({ event }) => event as string)).toEqual(['large']);

  const most = MIB - ENVELOPE_BYTES;
  const batch = `[${documentOf('less', '1')},${documentOf('less', dataOf(most + 1))}]`;
  const { status, json } = await testbed.publishBatch(batch);
  expect([status, json.error]).toEqual([413, { ...TOO_LARGE(most), index: 1 }]);
  expect((await testbed.publishOne(documentOf('less', dataOf(most)))).status).toBe(202);
  const frame = await client.ws.next('large');
  expect(frame.data).toEqual([1]);
});

it('reads what a NATS server takes that takes more', async () => {
  await testbed.nats.restart({ maxPayload: '16MB' });
  await natsIsBack('back2');
  const client = await subscriber('more');
  await expectToGoOn('more');
  const data = dataOf(12 * MIB);
  expect((await testbed.publishOne(documentOf('more', data))).status).toBe(202);
  await client.ws.next('large');
  expect(client.ws.texts.at(-1)).toContain(data);
  await expectToGoOn('more');
});
