import { randomUUID } from 'node:crypto';
import {
  appendMessages,
  claimDeduplicationIds,
  claimGatewayId,
  claimPartition,
  consumeSingleUse,
  ensurePartitions,
  expireRows,
  openDatabase,
  renewSequencerLease,
  reportCaughtUp,
  scheduleExpiryWithPgCron,
  type Database,
} from '@hearth/store';
import { sql } from 'kysely';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { logRow } from './log-row';

const WINDOW_MS = 300_000;

describe('expiry', () => {
  let server: ScratchDatabase;
  let database: Database;

  beforeEach(async () => {
    server = await createDatabase();
    database = openDatabase(server.url, { applicationName: 'test' });
  });
  afterEach(async () => {
    await database.close();
    await server.drop();
  });

  const count = async (table: string) =>
    (await sql<{ count: number }>`select count(*) from ${sql.table(table)}`.execute(database.db)).rows[0]!.count;
  const appendExpired = (rows: number) =>
    appendMessages(
      database.db,
      Array.from({ length: rows }, () => logRow({ store: 0 })),
    );
  const claimDedup = (id: string, timeMs: number) =>
    claimDeduplicationIds(database.db, [{ id, timeMs, partition: 0, streamEpoch: 0, seq: 1, windowMs: WINDOW_MS }]);

  it('deletes what is due, and only that', async () => {
    await appendExpired(3);
    await appendMessages(database.db, [logRow({ store: 60 }), logRow({ store: -1 })]);
    await claimDedup('due', Date.now() - WINDOW_MS);
    await claimDedup('not due', Date.now() - WINDOW_MS + 60_000);
    await consumeSingleUse(database.db, 'due', Date.now() / 1000 - 3_600, randomUUID());
    await consumeSingleUse(
      database.db,
      'expired, but a slow clock may still take it',
      Date.now() / 1000 - 1,
      randomUUID(),
    );
    expect(await expireRows(database.db)).toBe(5);
    expect(await Promise.all(['message_log', 'dedup', 'single_use_token'].map(count))).toEqual([2, 1, 1]);
    expect(await expireRows(database.db)).toBe(0);
  });

  it('deletes no more than it is allowed to, and the rest the next time', async () => {
    await appendExpired(25);
    expect(await expireRows(database.db, 5, 2)).toBe(10);
    expect(await count('message_log')).toBe(15);
    expect(await expireRows(database.db, 5, 100)).toBe(15);
  });

  it('deletes every row once when many run at once', async () => {
    await appendExpired(500);
    const deleted = await Promise.all([1, 2, 3, 4].map(() => expireRows(database.db, 10, 100)));
    expect(deleted.reduce((sum, rows) => sum + rows, 0)).toBe(500);
    expect(await count('message_log')).toBe(0);
  });

  it('passes over rows that somebody has locked', async () => {
    await appendExpired(2);
    await database.db.transaction().execute(async (tx) => {
      await sql`select from message_log order by id limit 1 for update`.execute(tx);
      expect(await expireRows(database.db)).toBe(1);
    });
    expect(await expireRows(database.db)).toBe(1);
  });

  it('keeps a deduplication id until no waiting message can be compared with it any more', async () => {
    const firstSeen = Date.now() - WINDOW_MS - 60_000;
    await claimDedup('a', firstSeen);
    await ensurePartitions(database.db, 2);
    await renewSequencerLease(database.db, 'n1', 60_000);
    for (const partition of [0, 1]) await claimPartition(database.db, partition, 'n1');
    expect(await expireRows(database.db)).toBe(0);

    await reportCaughtUp(database.db, [{ partition: 0, fencingToken: 1, timeMs: Date.now() }]);
    await reportCaughtUp(database.db, [{ partition: 1, fencingToken: 1, timeMs: firstSeen + WINDOW_MS - 1 }]);
    expect(await expireRows(database.db)).toBe(0);

    await reportCaughtUp(database.db, [{ partition: 1, fencingToken: 0, timeMs: Date.now() }]);
    expect(await expireRows(database.db)).toBe(0);

    await reportCaughtUp(database.db, [
      { partition: 0, fencingToken: 1, timeMs: 0 },
      { partition: 1, fencingToken: 1, timeMs: firstSeen + WINDOW_MS },
    ]);
    expect(await expireRows(database.db)).toBe(1);
  });

  it('lets a deduplication id go after a day, whatever still waits', async () => {
    await ensurePartitions(database.db, 1);
    await claimDedup('yesterday', Date.now() - WINDOW_MS - 86_400_000);
    await claimDedup('today', Date.now() - WINDOW_MS - 80_000_000);
    expect(await expireRows(database.db)).toBe(1);
  });

  it('ends no lease: the clock may have been set ahead, and who has it be alive', async () => {
    await renewSequencerLease(database.db, 'n', 60_000);
    await claimGatewayId(database.db, 'n', 60_000);
    for (const table of ['sequencer_lease', 'gateway_lease'] as const) {
      await sql`update ${sql.table(table)} set expires_at = now() - interval '1 year'`.execute(database.db);
    }
    expect(await expireRows(database.db)).toBe(0);
    expect([await count('sequencer_lease'), await count('gateway_lease')]).toEqual([1, 1]);
  });

  it('says that pg_cron does not do it where there is none', async () => {
    const { rows } = await sql`select from pg_available_extensions where name = 'pg_cron'`.execute(database.db);
    const refused = await scheduleExpiryWithPgCron(database.db);
    // A server that has pg_cron has it at home in another database than this test's.
    expect({ refused, available: rows.length > 0 }).toMatchObject({ refused: false });
    await database.ping();
  });
});
