import {
  channelEndNote,
  claimPartition,
  ensurePartitions,
  forgetChannelEnds,
  installationKey,
  notedEnd,
  noteChannelEnds,
  renewSequencerLease,
} from '@hearth/store';
import { sql } from 'kysely';
import { testDatabase } from './test-database';

const database = testDatabase();

beforeAll(async () => {
  await ensurePartitions(database.db, 5);
  await renewSequencerLease(database.db, 'a', 60_000);
});

const note = (deliverSeq: number, series = 0) => ({ series, deliverCreated: '2026-01-01T00:00:00Z', deliverSeq });
const end = (channel: string, seq: number) => ({
  channel,
  streamEpoch: 1,
  seq,
  id: `01JA3S0TNEC2QBYMZRBMCEX${seq}`.slice(0, 26),
});

async function claimed(partition: number) {
  const claim = await claimPartition(database.db, partition, 'a');
  if (claim === undefined) throw new Error('not claimed');
  return claim;
}

describe('the ends of channels (resume §3)', () => {
  it('are known as they were noted last, and of a silent channel that there is none', async () => {
    const claim = await claimed(0);
    expect(await channelEndNote(database.db, 0)).toBeUndefined();
    expect(await notedEnd(database.db, 0, 'room')).toBeUndefined();
    expect(await noteChannelEnds(database.db, claim, [end('room', 100), end('hall', 101)], note(7))).toBe(true);
    expect(await noteChannelEnds(database.db, claim, [end('room', 200)], note(9))).toBe(true);
    expect(await channelEndNote(database.db, 0)).toEqual(note(9));
    expect(await notedEnd(database.db, 0, 'room')).toEqual({ note: note(9), end: end('room', 200) });
    expect(await notedEnd(database.db, 0, 'hall')).toEqual({ note: note(9), end: end('hall', 101) });
    expect(await notedEnd(database.db, 0, 'silent')).toEqual({ note: note(9), end: undefined });
  });

  it('prove nothing after a loss, until the channel was noted again', async () => {
    const claim = await claimed(1);
    await noteChannelEnds(database.db, claim, [end('old', 100), end('both', 101)], note(7));
    await noteChannelEnds(database.db, claim, [end('both', 300)], note(20, 1));
    expect(await notedEnd(database.db, 1, 'old')).toBeUndefined();
    expect(await notedEnd(database.db, 1, 'silent')).toBeUndefined();
    expect(await notedEnd(database.db, 1, 'both')).toEqual({ note: note(20, 1), end: end('both', 300) });
  });

  it('stay where they were noted when an earlier place comes again', async () => {
    const claim = await claimed(4);
    await noteChannelEnds(database.db, claim, [end('again', 200)], note(30));
    await noteChannelEnds(database.db, claim, [end('again', 100)], note(40));
    expect(await notedEnd(database.db, 4, 'again')).toEqual({ note: note(40), end: end('again', 200) });
  });

  it('are not written by a worker that lost the partition', async () => {
    const claim = await claimed(2);
    const old = { ...claim, fencingToken: claim.fencingToken - 1 };
    expect(await noteChannelEnds(database.db, old, [end('fenced', 100)], note(7))).toBe(false);
    expect(await channelEndNote(database.db, 2)).toBeUndefined();
    expect(await sql`select 1 from channel_end where channel = 'fenced'`.execute(database.db)).toMatchObject({
      rows: [],
    });
  });

  it('are forgotten when no token can need them', async () => {
    const claim = await claimed(3);
    await noteChannelEnds(database.db, claim, [end('gone', 100), end('here', 101)], note(7));
    await sql`update channel_end set noted_at = now() - interval '1 hour' where channel = 'gone'`.execute(database.db);
    expect(await forgetChannelEnds(database.db, 1_800)).toBe(1);
    expect(await notedEnd(database.db, 3, 'gone')).toMatchObject({ end: undefined });
    expect(await notedEnd(database.db, 3, 'here')).toMatchObject({ end: end('here', 101) });
  });
});

it('gives every process the same key of the installation, whoever makes it first', async () => {
  const keys = await Promise.all(
    Array.from({ length: 8 }, (_, n) => installationKey(database.db, 'resume', () => Buffer.alloc(32, n))),
  );
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
  expect(await installationKey(database.db, 'resume', () => Buffer.alloc(32, 99))).toEqual(keys[0]);
});
