import { messageId } from '@hearth/protocol';
import { DELIVER_STREAM, IngestEvent, ingestStream, ingestSubject, partitionOf } from '@hearth/wire';
import { AckedPublisher, IngestPublisher, PullConsumer } from '@hearth/stream';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { delivered, type Delivered } from '../support/delivered';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import { PARTITIONS, PUBLISH_TIMEOUT_MS, Testbed } from './testbed';

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

function publish(channel: string, data: string, more: Partial<IngestEvent> = {}): Promise<void> {
  return testbed.ingest.publish(
    { requestId: randomUUID(), channel, event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false, ...more },
    data,
  );
}

/** Everything that was fanned out, what one that crashed had sent and came once more included. */
function deliveredOnce(count: number): Promise<Delivered[]> {
  const ids = new Set<string>();
  return delivered(testbed.connection, ({ id }) => ids.add(id).size === count);
}

/** What a gateway would write: a position that was seen before is a repeat. Fails where a link is missing. */
function withoutRepeats(records: readonly Delivered[]): Delivered[] {
  const last = new Map<string, Delivered>();
  return records.filter((record) => {
    const before = last.get(record.channel);
    const isRepeat =
      before !== undefined &&
      (record.position.epoch < before.position.epoch ||
        (record.position.epoch === before.position.epoch && record.position.sequence <= before.position.sequence));
    if (isRepeat) return false;
    expect(record.previous).toEqual(before?.position);
    last.set(record.channel, record);
    return true;
  });
}

const ids = (records: readonly { id: string }[]): string[] => records.map(({ id }) => id);
const sorted = (list: readonly string[]): string[] => [...list].sort();

async function rows(channel: string): Promise<{ id: string; data: string }[]> {
  return (
    await testbed.sql.query<{ id: string; data: string }>(
      'select id, data from message_log where channel = $1 order by id',
      [channel],
    )
  ).rows;
}

describe('the sequencer', () => {
  it('gives later ids to later messages of one channel and chains them', async () => {
    await testbed.addSequencer();
    await Promise.all(Array.from({ length: 2_000 }, (_, n) => publish(`c${n % 5}`, String(n))));
    const all = withoutRepeats(await deliveredOnce(2_000));
    for (let channel = 0; channel < 5; channel++) {
      const own = all.filter((record) => record.channel === `c${channel}`);
      expect(own.map(({ data }) => data)).toEqual(Array.from({ length: 400 }, (_, n) => n * 5 + channel));
      expect(ids(own)).toEqual(sorted(ids(own)));
    }
    expect(new Set(ids(all)).size).toBe(2_000);
  });

  it('keeps what is to be kept, in the same order and byte for byte, and nothing else', async () => {
    await testbed.addSequencer();
    const poison = [
      '12345678901234567890',
      '"\\u0000\\ud800"',
      '{"b":1,"a":2,"__proto__":{"x":1}}',
      `${'['.repeat(512)}${']'.repeat(512)}`,
    ];
    for (const data of poison) await publish('keep', data, { store: -1 });
    await publish('keep', '"not kept"');
    const all = withoutRepeats(await deliveredOnce(poison.length + 1));
    expect(all.slice(0, -1).map(({ text }) => text)).toEqual(
      poison.map((data, n) => `{"id":"${all[n]?.id}","event":"e","channel":"keep","data":${data}}`),
    );
    const kept = await rows('keep');
    expect(kept.map(({ data }) => data)).toEqual(poison);
    expect(ids(kept)).toEqual(ids(all.slice(0, -1)));
  });

  it('drops later copies of a deduplicationId on any channel, and accepts it again after the window', async () => {
    await testbed.addSequencer({ HEARTH_DEDUPLICATION_SECONDS: '2' });
    const dedup = { deduplicationId: 'once', store: 60 };
    await Promise.all([publish('d1', '1', dedup), publish('d2', '2', dedup), publish('d3', '3', dedup)]);
    await publish('d1', '"end"');
    await publish('d2', '"end"');
    await publish('d3', '"end"');
    const first = withoutRepeats(await deliveredOnce(4));
    expect(first.filter(({ data }) => data !== 'end')).toHaveLength(1);
    expect((await testbed.sql.query('select 1 from message_log')).rowCount).toBe(1);
    await eventually(async () => {
      await publish('d1', '"again"', dedup);
      expect((await rows('d1')).map(({ data }) => data)).toContain('"again"');
    });
  });

  it('accepts the first message of an id again after a crash, although a later one was accepted after the window', async () => {
    const windowMs = 1_000;
    const env = { HEARTH_DEDUPLICATION_SECONDS: String(windowMs / 1_000) };
    // Of two partitions, whose owner does not send anything: each waits for itself.
    const [one = '', other = ''] = ['a', 'b', 'c', 'd', 'e'].filter(
      (name, index, names) =>
        names.findIndex((n) => partitionOf(n, PARTITIONS) === partitionOf(name, PARTITIONS)) === index,
    );
    const before = await testbed.addSequencer(env);
    await publish(one, '"before"');
    await deliveredOnce(1);
    await before.stop();

    await publish(one, '"first"', { deduplicationId: 'once', store: 60 });
    await delay(windowMs + 100);
    await publish(other, '"after the window"', { deduplicationId: 'once', store: 60 });
    // Nothing of what this one sends is taken: it commits, and no more.
    const { streams } = await testbed.connection.manager();
    await streams.update(DELIVER_STREAM, { max_msg_size: 1 });
    const crashing = await testbed.addSequencer(env);
    await eventually(async () => expect([...(await rows(one)), ...(await rows(other))]).toHaveLength(2));
    await crashing.kill('SIGKILL');
    await streams.update(DELIVER_STREAM, { max_msg_size: -1 });

    await testbed.addSequencer(env);
    for (const channel of [one, other]) await publish(channel, '"end"');
    const all = withoutRepeats(await deliveredOnce(5));
    const dataIn = (name: string) => all.flatMap(({ channel, data }) => (channel === name ? [data] : []));
    expect([dataIn(one), dataIn(other)]).toEqual([
      ['before', 'first', 'end'],
      ['after the window', 'end'],
    ]);
  });

  it('drops a copy that waited until the sequencer, which had been cut off from NATS, was replaced', async () => {
    const windowMs = 2_000;
    const env = { HEARTH_DEDUPLICATION_SECONDS: String(windowMs / 1_000), HEARTH_CLOCK_TOLERANCE_MS: '0' };
    const proxy = await TcpProxy.start(testbed.nats.port);
    const cutOff = await testbed.addSequencer({ ...env, HEARTH_NATS_URL: `nats://127.0.0.1:${proxy.port}` });
    await publish('cut', '"first"', { deduplicationId: 'once' });
    await deliveredOnce(1);
    await proxy.stop();
    await publish('cut', '"copy"', { deduplicationId: 'once' });
    // Longer than it takes a sequencer to say what it has processed.
    await delay(windowMs + 6_000);
    await testbed.sql.query('select expire_rows()');
    await cutOff.kill('SIGKILL');

    await testbed.addSequencer(env);
    await publish('cut', '"end"');
    expect(withoutRepeats(await deliveredOnce(2)).map(({ data }) => data)).toEqual(['first', 'end']);
  }, 60_000);

  it('keeps a promised id, and gives greater ones afterwards', async () => {
    await testbed.addSequencer();
    // Of a publisher whose clock is ahead, no further than clocks may be.
    const eagerId = messageId(Date.now() + 1_000, 7, 0);
    await publish('eager', '1');
    await publish('eager', '2', { eagerId });
    await publish('eager', '3');
    const [before, eager, after] = ids(withoutRepeats(await deliveredOnce(3)));
    expect(eager).toBe(eagerId);
    expect(before! < eagerId && eagerId < after!).toBe(true);
  });

  it('leaves out the sender of a client message unless it asked for a copy', async () => {
    await testbed.addSequencer();
    const meta = '{"uid":"u1","umd":null}';
    await publish('client', '1', { connectionId: 'id=', meta, trigger: 'client.websocket' });
    await publish('client', '2', { connectionId: 'id=', meta, echo: true, trigger: 'client.websocket' });
    const [silentCopy, echo] = await deliveredOnce(2);
    expect(silentCopy).toMatchObject({
      exceptConnectionId: 'id=',
      text: expect.stringContaining(`,"data":1,"meta":${meta}}`),
    });
    expect(echo?.exceptConnectionId).toBeUndefined();
  });

  it('steps over what is not a publish request', async () => {
    await testbed.addSequencer();
    const publisher = new AckedPublisher(testbed.connection);
    const partition = partitionOf('after', PARTITIONS);
    for (const bad of ['', 'x', 'null\n', '{}\n{}', '{"c":"c"}\n1', '[', '[2]\n{', '[]\n', '[9e99]\n{}'])
      await publisher.publish(ingestSubject(partition), Buffer.from(bad));
    publisher.close();
    await publish('after', '1');
    expect(await deliveredOnce(1)).toHaveLength(1);
  });

  it('loses nothing, doubles nothing and inverts nothing when sequencers are killed under load', async () => {
    const first = await testbed.addSequencer();
    await testbed.addSequencer();
    const accepted = new Map<string, number[]>();
    let stopping = false;
    const load = Promise.all(
      Array.from({ length: 8 }, async (_, channel) => {
        const name = `k${channel}`;
        const own: number[] = [];
        accepted.set(name, own);
        for (let n = 0; !stopping; n++) {
          await publish(name, String(n), {
            store: n % 2 === 0 ? -1 : 0,
            deduplicationId: n % 7 === 0 ? `${name}-${n}` : undefined,
          });
          own.push(n);
        }
      }),
    );
    await eventually(() => expect(accepted.get('k0')?.length).toBeGreaterThan(50));
    await first.kill('SIGKILL');
    const third = await testbed.addSequencer();
    await third.kill('SIGKILL');
    await testbed.addSequencer();
    stopping = true;
    await load;
    const total = [...accepted.values()].reduce((sum, own) => sum + own.length, 0);
    const all = withoutRepeats(await deliveredOnce(total));
    expect(all).toHaveLength(total);
    for (const [name, sent] of accepted) {
      const own = all.filter(({ channel }) => channel === name);
      expect(own.map(({ data }) => data)).toEqual(sent);
      expect(ids(own)).toEqual(sorted(ids(own)));
      const kept = await rows(name);
      expect(ids(kept)).toEqual(ids(own.filter(({ data }) => (data as number) % 2 === 0)));
    }
  });

  it('goes on after its database connections were cut', async () => {
    await testbed.addSequencer();
    await publish('pg', '1', { store: -1 });
    await deliveredOnce(1);
    await testbed.sql.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await publish('pg', '2', { store: -1 });
    await deliveredOnce(2);
    expect((await rows('pg')).map(({ data }) => data)).toEqual(['1', '2']);
  });

  it('gives greater ids after the ingest streams were wiped', async () => {
    const sequencer = await testbed.addSequencer();
    for (let n = 0; n < 5; n++) await publish('wiped', String(n), { store: -1 });
    const before = ids(await deliveredOnce(5));
    // Otherwise the place in the old stream may not be saved yet, and there is nothing to mistake.
    await eventually(async () => {
      const { rows: states } = await testbed.sql.query('select 1 from partition_state where seq = 5');
      expect(states).toHaveLength(1);
    });
    await sequencer.stop();
    await (await testbed.connection.manager()).streams.delete(ingestStream(partitionOf('wiped', PARTITIONS)));
    await testbed.addSequencer();
    for (let n = 5; n < 8; n++) await publish('wiped', String(n), { store: -1 });
    const all = withoutRepeats(await deliveredOnce(8));
    expect(all.map(({ data }) => data)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(ids(all)).toEqual(sorted(ids(all)));
    expect(ids(all).slice(0, 5)).toEqual(before);
    expect(await rows('wiped')).toHaveLength(8);
  });

  it('drops from the ingest stream what it has passed on', async () => {
    await testbed.addSequencer();
    for (let n = 0; n < 20; n++) await publish('purged', String(n));
    await deliveredOnce(20);
    await eventually(async () => {
      const { state } = await (
        await testbed.connection.manager()
      ).streams.info(ingestStream(partitionOf('purged', PARTITIONS)));
      expect(state.messages).toBeLessThanOrEqual(1);
    });
  });

  it('tells a publisher that asked for it when its message is in the log', async () => {
    await testbed.addSequencer();
    const patient = new IngestPublisher(testbed.connection, {
      partitions: PARTITIONS,
      httpTimeoutMs: PUBLISH_TIMEOUT_MS,
      publishAck: 'log',
    });
    const event = { channel: 'acked', event: 'e', trigger: 'server.http', store: -1, emitPubSubEvent: false } as const;
    await patient.publish({ ...event, requestId: randomUUID() }, '1');
    expect(await rows('acked')).toHaveLength(1);
    patient.close();
  });

  it('deletes expired rows on a timer where there is no pg_cron', async () => {
    await testbed.addSequencer({ HEARTH_EXPIRY_SECONDS: '1' });
    await publish('expiring', '1', { store: 1 });
    await publish('expiring', '2', { store: 60 });
    await deliveredOnce(2);
    await eventually(async () => expect((await rows('expiring')).map(({ data }) => data)).toEqual(['2']));
  });

  it('emits messagePublished once per message when asked and enabled', async () => {
    await testbed.addSequencer({ HEARTH_EVENTS_ENABLED: 'true' });
    await publish('events.a', '{"n":12345678901234567890}', {
      emitPubSubEvent: true,
      requestId: '0191f0a4-0000-7000-8000-000000000000',
      connectionId: 'id=',
      meta: '{"uid":"ü","umd":null}',
      trigger: 'client.websocket',
      sourceIp: '192.0.2.1',
    });
    await publish('events.a', '2');
    await publish('events.a', '3', { emitPubSubEvent: true });
    const all = await deliveredOnce(3);
    const consumer = await eventually(() => PullConsumer.open(testbed.connection, 'HEARTH_EVENTS', 'first'));
    const messages: { subject: string; text: string }[] = [];
    while (messages.length < 2) {
      for (const { subject, payload } of await consumer.next(10))
        messages.push({ subject, text: Buffer.from(payload).toString() });
    }
    consumer.close();
    expect(messages[0]?.subject).toBe('hearth.events.v1.message.messagePublished.events%2Ea');
    expect(messages[0]?.text).toContain('"data":{"n":12345678901234567890}');
    expect(JSON.parse(messages[0]?.text ?? '')).toMatchObject({
      source: 'hotsock.v1',
      type: 'hotsock.messagePublished',
      dataType: 'message',
      metadata: {
        hotsockVersion: '1.13.5',
        hearthVersion: expect.any(String),
        channel: 'events.a',
        event: 'e',
        trigger: 'client.websocket',
        requestId: '0191f0a4-0000-7000-8000-000000000000',
        connectionId: 'id=',
        sourceIp: '192.0.2.1',
      },
      data: { id: all[0]?.id, channel: 'events.a', event: 'e', meta: { uid: 'ü', umd: null } },
    });
    const second = JSON.parse(messages[1]?.text ?? '') as {
      data: Record<string, unknown>;
      metadata: Record<string, unknown>;
    };
    expect(second.data).toEqual({ channel: 'events.a', event: 'e', id: all[2]?.id, data: 3 });
    expect(second.metadata).not.toHaveProperty('connectionId');
    const { state } = await (await testbed.connection.manager()).streams.info('HEARTH_EVENTS');
    expect(state.messages).toBe(2);
  });
});
