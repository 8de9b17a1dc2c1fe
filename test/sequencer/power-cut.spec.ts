import { deliverExtent } from '@hearth/stream';
import {
  ASK_TAILS_SUBJECT,
  decodeTailBeacon,
  DELIVER_STREAM,
  ingestStream,
  partitionOf,
  type TailBeacon,
  tailSubject,
} from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { GatewayUnderTest, subscribe } from '../gateway/gateway-under-test';
import { delivered } from '../support/delivered';
import { eventually } from '../support/eventually';
import { LossyNats } from '../support/lossy-nats';
import { keepStreams } from '../support/power-cut';
import { PARTITIONS, Testbed } from './testbed';

/** All on this channel, one after the other, so that each is one message of the stream. */
const CHANNEL = 'cut';
const PARTITION = partitionOf(CHANNEL, PARTITIONS);

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

async function publish(...all: readonly string[]): Promise<void> {
  const event = { channel: CHANNEL, event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false } as const;
  for (const data of all) {
    await eventually(() => testbed.ingest.publish({ requestId: randomUUID(), ...event }, JSON.stringify(data)));
  }
}

const texts = async (count: number): Promise<unknown[]> =>
  (await delivered(testbed.connection, count)).map(({ data }) => data);

const keepStream = (name: string): Promise<() => Promise<void>> => keepStreams(testbed.nats, name);

async function savedSequence(): Promise<number> {
  const query = 'select seq::int as sequence from partition_state where partition = $1';
  return (await testbed.sql.query<{ sequence: number }>(query, [PARTITION])).rows[0]?.sequence ?? 0;
}

describe('after a power cut that took the tail of an ingest stream', () => {
  it('what is accepted before the sequencer is there again is delivered', async () => {
    const sequencer = await testbed.addSequencer();
    await publish('a1', 'a2');
    expect(await texts(2)).toEqual(['a1', 'a2']);
    const cutPower = await keepStream(ingestStream(PARTITION));
    const life = await deliverLife();
    await publish('lost 1', 'lost 2');
    await texts(4);
    await eventually(async () => expect(await savedSequence()).toBe(4));
    await sequencer.stop();
    await cutPower();
    await publish('b1');
    await testbed.addSequencer();
    await publish('b2');
    expect(await texts(6)).toEqual(['a1', 'a2', 'lost 1', 'lost 2', 'b1', 'b2']);
    // It has lost nothing.
    expect(await deliverLife()).toBe(life);
  });

  it('what gets the places of lost messages is delivered, although the deliver stream has those and no position tells of them', async () => {
    const sequencer = await testbed.addSequencer();
    await publish('a1', 'a2');
    await texts(2);
    const cutPower = await keepStream(ingestStream(PARTITION));
    await eventually(async () => expect(await savedSequence()).toBe(2));
    // No position is saved from now on.
    await testbed.sql.query('begin');
    await testbed.sql.query('select from partition_state for update');
    await publish('lost 1', 'lost 2', 'lost 3');
    const before = await delivered(testbed.connection, 5);
    await sequencer.kill('SIGKILL');
    await testbed.sql.query('rollback');
    expect(await savedSequence()).toBe(2);
    await cutPower();
    await publish('b1', 'b2');
    await testbed.addSequencer();
    await publish('b3');
    const all = await delivered(testbed.connection, 8);
    expect(all.slice(0, 5)).toEqual(before);
    expect(all.slice(5).map(({ data }) => data)).toEqual(['b1', 'b2', 'b3']);
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort());
  });
});

/** When the deliver stream began the life that it has, as everybody reads it. */
const deliverLife = (): Promise<string> => eventually(async () => (await deliverExtent(testbed.connection)).created);

describe('after a power cut that took the tail of the deliver stream', () => {
  it.each([
    ['is given back first', 'SIGTERM'],
    ['is killed in the same moment', 'SIGKILL'],
  ] as const)('what the stream holds proves nothing any more, although the sequencer %s', async (_, signal) => {
    const sequencer = await testbed.addSequencer();
    await publish('a1');
    await texts(1);
    const cutPower = await keepStream(DELIVER_STREAM);
    const before = await deliverLife();
    await publish('lost');
    await texts(2);
    await eventually(async () => expect(await savedSequence()).toBe(2));
    await sequencer.kill(signal);
    await cutPower();
    // Before anybody looks, the place that was lost is another channel's.
    const other = { channel: 'other', event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false } as const;
    await eventually(() => testbed.ingest.publish({ requestId: randomUUID(), ...other }, '1'));
    await testbed.addSequencer();
    await publish('b1');
    await texts(3);
    expect(await deliverLife()).not.toBe(before);
  });

  it('what follows names what was lost, so that whoever did not get that notices', async () => {
    await testbed.addSequencer();
    await publish('a1');
    await texts(1);
    const cutPower = await keepStream(DELIVER_STREAM);
    const before = await deliverLife();
    await publish('lost');
    const lost = (await delivered(testbed.connection, 2))[1];
    await cutPower();
    await publish('b1');
    const [, next] = await delivered(testbed.connection, 2);
    expect(next).toMatchObject({ data: 'b1', previous: lost?.position });
    await eventually(async () => expect(await deliverLife()).not.toBe(before));
  });

  it.each([
    ['nothing follows', 0, 0],
    ['nothing follows, and nobody hears the gateway ask for the first time', 0, 1],
    ['those who knew of it have ended', 1, 0],
    ['so has who took over from them, before the gateway heard of it', 2, 0],
  ])('subscribers who did not get what was lost are not left in silence, although %s', async (_, ending, unheard) => {
    const sequencer = await testbed.addSequencer();
    const lossy = await LossyNats.start(testbed.nats.port);
    const servers = { natsUrl: lossy.url, databaseUrl: testbed.database.url };
    const gateway = await GatewayUnderTest.start(servers, { partitions: PARTITIONS });
    try {
      const client = await gateway.connect({ channels: { '*': { subscribe: true } } });
      await subscribe(client, CHANNEL);
      await publish('a1');
      await client.next('e');
      const cutPower = await keepStreams(testbed.nats);
      const before = await deliverLife();
      await eventually(() => expect(gateway.stream.isConnected).toBe(true));
      let beacons = 0;
      lossy.lose(({ subject }) => {
        if (subject === tailSubject(PARTITION)) beacons++;
        return subject.startsWith('hearth.deliver.') || subject.startsWith('hearth.tails.');
      });
      await publish('lost');
      await texts(2);
      const mark = 'select from partition_state where partition = $1 and deliver_seq = 2';
      await eventually(async () => expect((await testbed.sql.query(mark, [PARTITION])).rowCount).toBe(1));
      beacons = 0;
      await eventually(() => expect(beacons).toBeGreaterThan(0));
      let questions = 0;
      lossy.loseToServer(({ subject }) => subject === ASK_TAILS_SUBJECT && ++questions <= unheard);
      if (ending > 0) await sequencer.kill('SIGKILL');
      await cutPower();
      if (ending > 1) {
        const next = await testbed.addSequencer();
        const noticed = 'select from partition_state where partition = $1 and deliver_created <> $2';
        await eventually(async () => expect((await testbed.sql.query(noticed, [PARTITION, before])).rowCount).toBe(1));
        await next.kill('SIGKILL');
      }
      lossy.lose(() => false);
      if (ending > 0) await testbed.addSequencer();
      expect(await client.closed).toEqual({ code: 1013, reason: 'Messages missed' });
      const back = await gateway.connect({ channels: { '*': { subscribe: true } } });
      await subscribe(back, CHANNEL);
      await publish('b1');
      expect((await back.next('e')).data).toBe('b1');
    } finally {
      await gateway.stop();
      await lossy.stop();
    }
  });

  it('subscribers who got what was lost stay, although a later owner of the partition does not know of that', async () => {
    const sequencer = await testbed.addSequencer();
    const servers = { natsUrl: testbed.nats.url, databaseUrl: testbed.database.url };
    const gateway = await GatewayUnderTest.start(servers, { partitions: PARTITIONS });
    try {
      const client = await gateway.connect({ channels: { '*': { subscribe: true } } });
      await subscribe(client, CHANNEL);
      const cutPower = await keepStreams(testbed.nats);
      const before = await deliverLife();
      await publish('a1', 'lost');
      for (const data of ['a1', 'lost']) await client.next((frame) => frame.data === data);
      const beacons: TailBeacon[] = [];
      testbed.connection.listen(tailSubject(PARTITION), (message) => beacons.push(decodeTailBeacon(message.string())));
      await eventually(() => expect(beacons.length).toBeGreaterThan(2));
      await cutPower();
      await eventually(async () => expect(await deliverLife()).not.toBe(before));
      const lifeMs = Date.parse(await deliverLife());
      await eventually(() => expect(beacons.find(({ all }) => all?.lifeMs === lifeMs)).toBeDefined());
      await sequencer.kill('SIGKILL');
      await testbed.addSequencer();
      await eventually(() => expect(beacons.at(-1)?.unsureBeforeMs).toBe(lifeMs));
      await publish('b1');
      expect(await Promise.race([client.next((frame) => frame.data === 'b1'), client.closed])).toMatchObject({
        data: 'b1',
      });
    } finally {
      await gateway.stop();
    }
  });
});
