import { idTimeMs } from '@hearth/protocol';
import { encodeIngestEvent, ingestSubject, partitionOf, SENT_AT_HEADER } from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { AckedPublisher } from '@hearth/stream';
import { delivered } from '../support/delivered';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { PARTITIONS, Testbed } from './testbed';

/**
 * A nats-server whose clock is wrong (promises R21). It has the clock of this machine like everybody here: so what is wrong
 * is when messages say that they were sent, and all others say that theirs is right.
 */
const HOUR_MS = 3_600_000;
const CHANNEL = 'c';

let testbed: Testbed;
let sequencer: AppProcess;
let publisher: AckedPublisher;
beforeAll(async () => {
  testbed = await Testbed.start();
  publisher = new AckedPublisher(testbed.connection);
  sequencer = await testbed.addSequencer();
});
afterAll(async () => {
  publisher?.close();
  await testbed?.stop();
});

/** Stores a message while the clock of NATS is so far ahead. @returns when that is in truth */
async function store(aheadMs: number): Promise<number> {
  const event = {
    requestId: randomUUID(),
    channel: CHANNEL,
    event: 'e',
    trigger: 'server.http',
    store: 0,
    emitPubSubEvent: false,
  } as const;
  const subject = ingestSubject(partitionOf(CHANNEL, PARTITIONS));
  const sentMs = Date.now() - aheadMs;
  const headers = { [SENT_AT_HEADER]: String(sentMs) };
  await publisher.publish(subject, encodeIngestEvent(event, 'null'), { headers });
  return sentMs;
}

const metric = async (): Promise<number> => {
  const metrics = await (await fetch(`http://127.0.0.1:${sequencer.adminPort}/metrics`)).text();
  return Number(/^hearth_nats_clock_ahead_seconds (\S+)/m.exec(metrics)?.[1]);
};

it('ids have the installation’s time, also behind what a clock that is ahead has stored, and operators are told', async () => {
  const ahead = await store(HOUR_MS);
  await eventually(async () => expect(await metric()).toBeCloseTo(HOUR_MS / 1_000, -2));
  expect(sequencer.lines.join('\n')).toContain('the clock of NATS is ahead of the database');
  // A second later by that time, which is when the message says that it was sent; then the clock is set back.
  const next = await store(HOUR_MS);
  const right = await store(0);
  const times = (await delivered(testbed.connection, 3)).map(({ id }) => idTimeMs(id));
  expect(times.slice(0, 2)).toEqual([ahead, next]);
  expect(Math.abs((times[2] ?? 0) - right)).toBeLessThan(5_000);
  await eventually(async () => expect(await metric()).toBeLessThan(5));
});
