import {
  appendAndAdvance,
  appendMessages,
  claimPartition,
  endLeaseOfSession,
  endStandingLease,
  ensurePartitions,
  fenceAndAdvance,
  FencedError,
  listMessages,
  listPartitions,
  openDatabase,
  releasePartition,
  releaseSequencer,
  reportCaughtUp,
  renewSequencerLease,
  sequencerLeases,
  SessionLock,
  type Database,
  type FencedPosition,
} from '@hearth/store';
import { sql } from 'kysely';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { logRow } from './log-row';

const TTL_MS = 60_000;

describe('partitions', () => {
  let server: ScratchDatabase;
  let database: Database;

  beforeEach(async () => {
    server = await createDatabase();
    database = openDatabase(server.url, { applicationName: 'test' });
    await ensurePartitions(database.db, 4);
    await renewSequencerLease(database.db, 'n1', TTL_MS);
    await renewSequencerLease(database.db, 'n2', TTL_MS);
  });
  afterEach(async () => {
    await database.close();
    await server.drop();
  });

  const claim = (nodeId: string, partition = 0) => claimPartition(database.db, partition, nodeId);
  const running = async () =>
    (await sequencerLeases(database.db)).filter(({ runs }) => runs).map(({ processId }) => processId);
  const expire = (nodeId: string) =>
    sql`update sequencer_lease set expires_at = now() where node_id = ${nodeId}`.execute(database.db);
  const endLease = async (nodeId: string) => {
    const lease = (await sequencerLeases(database.db)).find(({ processId }) => processId === nodeId);
    await endStandingLease(database.db, lease!);
  };
  const position = (values: Partial<FencedPosition>): FencedPosition => ({
    partition: 0,
    fencingToken: 1,
    streamEpoch: 0,
    seq: 1,
    timeMs: 1_000,
    streamTime: '1700000000000000001',
    lanes: '',
    ...values,
  });
  const saved = async () => (await listPartitions(database.db))[0]!;

  it('are made once, whoever comes first, and their number cannot change', async () => {
    await Promise.all([1, 2, 3].map(() => ensurePartitions(database.db, 4)));
    expect((await listPartitions(database.db)).map((state) => state.partition)).toEqual([0, 1, 2, 3]);
    await expect(ensurePartitions(database.db, 5)).rejects.toThrow(/HEARTH_PARTITIONS is 5.*created with 4/);
  });

  it('belong to the first node that claims them, and to no other while it lives', async () => {
    expect(await claim('n1')).toEqual({
      partition: 0,
      fencingToken: 1,
      owner: 'n1',
      streamEpoch: 0,
      seq: 0,
      timeMs: 0,
      streamTime: null,
      streamCreated: null,
      lanes: '',
      deliverCreated: null,
      deliverSeq: null,
      deliverUnsureMs: null,
    });
    expect(await claim('n2')).toBeUndefined();
    expect(await claim('n1')).toBeUndefined();
    expect(await claim('n2', 1)).toMatchObject({ fencingToken: 1, owner: 'n2' });
  });

  it('have one winner when two nodes claim them at once', async () => {
    for (const partition of [0, 1, 2, 3]) {
      const claims = await Promise.all([claim('n1', partition), claim('n2', partition), claim('n1', partition)]);
      expect(claims.filter((state) => state !== undefined)).toHaveLength(1);
    }
  });

  it('can be taken from a node whose lease has expired, with its position and a higher fencing token', async () => {
    await claim('n1');
    const deliver = { deliverCreated: 'today as well', deliverSeq: 70, deliverUnsureMs: 700 };
    await fenceAndAdvance(database.db, [position({ seq: 7, streamCreated: 'today', lanes: 'a:5 b:9', ...deliver })]);
    await endLease('n1');
    expect(await claim('n2')).toEqual({
      partition: 0,
      fencingToken: 2,
      owner: 'n2',
      streamEpoch: 0,
      seq: 7,
      timeMs: 1_000,
      streamTime: '1700000000000000001',
      streamCreated: 'today',
      lanes: 'a:5 b:9',
      ...deliver,
    });
  });

  it('do not wait for one another while they are told to be caught up, which may deadlock', async () => {
    for (const partition of [0, 1]) await claim('n1', partition);
    const told = [0, 1].map((partition) => ({ partition, fencingToken: 1, timeMs: 1 }));
    await database.db
      .transaction()
      .execute(async (tx) => {
        await sql`select 1 from partition_state where partition = 1 for update`.execute(tx);
        const telling = reportCaughtUp(database.db, told);
        await eventually(async () => {
          const { rows } = await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock'
          and datname = current_database()`.execute(database.db);
          expect(rows).toHaveLength(1);
        });
        await sql`select 1 from partition_state where partition = 0 for update nowait`.execute(tx);
        return { telling };
      })
      .then(({ telling }) => telling);
  });

  it('are given to no node without a living lease', async () => {
    expect(await claim('unknown')).toBeUndefined();
    await endLease('n1');
    expect(await claim('n1')).toBeUndefined();
  });

  it('keep their owner until its lease is ended, whether it has expired or not', async () => {
    await claim('n1');
    const [before] = await sequencerLeases(database.db);
    await expire('n1');
    expect(await claim('n2')).toBeUndefined();
    await fenceAndAdvance(database.db, [position({ seq: 2 })]);
    await renewSequencerLease(database.db, 'n1', TTL_MS);
    expect(await running()).toEqual(['n1', 'n2']);
    // As it was when it was looked at; it has been renewed since.
    await endStandingLease(database.db, before!);
    expect(await claim('n2')).toBeUndefined();
    await endLease('n1');
    expect(await claim('n2')).toMatchObject({ owner: 'n2', fencingToken: 2 });
  });

  it('refuse every write of a worker that was replaced', async () => {
    await claim('n1');
    await endLease('n1');
    await claim('n2');
    const stale = database.db.transaction().execute(async (tx) => {
      await appendMessages(tx, [logRow()]);
      await fenceAndAdvance(tx, [position({})]);
    });
    await expect(stale).rejects.toThrow(FencedError);
    await expect(appendAndAdvance(database.db, [position({})], [logRow()])).rejects.toThrow(FencedError);
    await expect(fenceAndAdvance(database.db, [position({})])).rejects.toThrow(FencedError);
    await releasePartition(database.db, 0, 1);
    expect(await saved()).toMatchObject({ owner: 'n2', fencingToken: 2, seq: 0 });
    expect(await listMessages(database.db, { channel: 'c1', sinceMs: 0 })).toEqual([]);
  });

  it('cannot be claimed while a batch is being committed, and then show its position', async () => {
    await claim('n1');
    await endLease('n1');
    await database.db.transaction().execute(async (tx) => {
      await fenceAndAdvance(tx, [position({ seq: 5 })]);
      expect(await claim('n2')).toBeUndefined();
      await appendMessages(tx, [logRow()]);
    });
    expect(await claim('n2')).toMatchObject({ fencingToken: 2, seq: 5 });
  });

  it('append and advance in one statement', async () => {
    await claim('n1');
    const rows = [logRow({ data: '1' }), logRow({ data: '2' })];
    await appendAndAdvance(database.db, [position({ seq: 9 })], rows);
    await appendAndAdvance(database.db, [position({ seq: 9 })], rows);
    expect(await saved()).toMatchObject({ seq: 9, streamTime: '1700000000000000001' });
    const messages = await listMessages(database.db, { channel: 'c1', sinceMs: 0 });
    expect(messages.map((message) => message.data)).toEqual(['1', '2']);
  });

  it('never go back: not their sequence in one life of the stream, and not their time in any', async () => {
    await claim('n1');
    await fenceAndAdvance(database.db, [position({ seq: 5, timeMs: 2_000 })]);
    await expect(fenceAndAdvance(database.db, [position({ seq: 4 })])).rejects.toThrow('already past 0:4');
    await expect(appendAndAdvance(database.db, [position({ seq: 4 })], [logRow()])).rejects.toThrow('already past 0:4');
    expect(await saved()).toMatchObject({ seq: 5, timeMs: 2_000 });
    await fenceAndAdvance(database.db, [position({ streamEpoch: 1, seq: 1, timeMs: 1_500, streamCreated: 'anew' })]);
    await fenceAndAdvance(database.db, [position({ streamEpoch: 1, seq: 2, timeMs: 1_600 })]);
    expect(await saved()).toMatchObject({ streamEpoch: 1, seq: 2, timeMs: 2_000, streamCreated: 'anew' });
  });

  it('are free at once when they are released', async () => {
    await claim('n1');
    await fenceAndAdvance(database.db, [position({ seq: 3 })]);
    await releasePartition(database.db, 0, 1);
    await expect(fenceAndAdvance(database.db, [position({ seq: 4 })])).rejects.toThrow(FencedError);
    expect(await claim('n2')).toMatchObject({ fencingToken: 2, seq: 3 });
  });

  it('are all free, and the node forgotten, when a sequencer stops in good order', async () => {
    await claim('n1', 0);
    await claim('n1', 1);
    await claim('n2', 2);
    await releaseSequencer(database.db, 'n1');
    expect((await listPartitions(database.db)).map((state) => state.owner)).toEqual([null, null, 'n2', null]);
    expect(await running()).toEqual(['n2']);
  });

  it('are shared among the nodes whose lease lives', async () => {
    await expire('n1');
    await renewSequencerLease(database.db, 'n3', TTL_MS);
    expect(await running()).toEqual(['n2', 'n3']);
  });

  it('can be taken at once from a node whose session has ended, and from no other', async () => {
    let lost = 0;
    const lock = new SessionLock(server.url, 'lock', () => lost++);
    const session = await lock.confirm();
    await renewSequencerLease(database.db, 'n1', TTL_MS, session);
    await claim('n1');
    const n1 = async () => (await sequencerLeases(database.db)).find(({ processId }) => processId === 'n1');
    expect(await n1()).toMatchObject({ processId: 'n1', session, isLockFree: false });
    expect(await endLeaseOfSession(database.db, 'n1', session!)).toBe(false);

    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'lock' and datname = current_database()`.execute(database.db);
    await eventually(() => expect(lost).toBe(1));
    expect(lock.isTakenSince(0)).toBe(false);
    await eventually(async () => expect((await n1())?.isLockFree).toBe(true));
    const next = await lock.confirm();
    await renewSequencerLease(database.db, 'n1', TTL_MS, next);
    expect(await endLeaseOfSession(database.db, 'n1', session!)).toBe(false);
    expect(await claim('n2')).toBeUndefined();

    await lock.release();
    await eventually(async () => expect(await endLeaseOfSession(database.db, 'n1', next!)).toBe(true));
    expect(await claim('n2')).toMatchObject({ owner: 'n2', fencingToken: 2 });
    expect(lost).toBe(1);
  });
});
