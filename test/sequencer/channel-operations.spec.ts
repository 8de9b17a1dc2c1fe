import type { SequencedOperation } from '@hearth/channels';
import { openDatabase, type Database } from '@hearth/store';
import { encodeIngestEvent, type IngestEvent } from '@hearth/wire';
import { sql as kysely } from 'kysely';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { ChannelOperations } from '../../apps/sequencer/src/channel-operations';
import { Sequencing } from '../../apps/sequencer/src/sequencing';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';

const SLOW_MS = 1_500;
const SERVER = { requestId: 'r', trigger: 'server.http', emitPubSubEvent: false } as const;
const timer = { accepted: () => undefined, early: () => undefined, gone: () => undefined };

let server: ScratchDatabase;
let proxy: TcpProxy;
let database: Database;
let sql: Client;
beforeEach(async () => {
  server = await createDatabase();
  const url = new URL(server.url);
  proxy = await TcpProxy.start(Number(url.port));
  url.port = String(proxy.port);
  database = openDatabase(url.href, { applicationName: 'test' });
  sql = new Client(server.url);
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  await proxy.stop();
  await database.close();
  await server.drop();
});

const place = (sequence: number) => ({
  id: String(sequence),
  position: { epoch: 0, sequence },
  data: Buffer.from('1'),
});
const storage: SequencedOperation = {
  ...place(1),
  acceptedMs: 1,
  operation: { kind: 'storage', channel: 'c', key: 'k', store: -1, meta: '{}', ...SERVER },
};
const fire = (sequence: number): SequencedOperation => ({
  ...place(sequence),
  acceptedMs: 1_000,
  operation: { kind: 'fire', partition: 0, scheduleId: 's' },
});

it('an answer that comes when its question has been asked again changes nothing: a schedule fires once', async () => {
  const message: IngestEvent = { ...SERVER, channel: 'c', event: 'e', store: 0 };
  await sql.query('insert into schedule values ($1, 0, 1, $2)', ['s', encodeIngestEvent(message, '1').toString()]);
  const fail = (_: unknown, error: unknown): never => {
    throw error;
  };
  const operations = new ChannelOperations(0, database, { presenceMaxBytes: 1_000 }, timer, fail);
  const sequencing = new Sequencing(0, 0, 0, 0, { poison: fail });
  const settle = (...batch: SequencedOperation[]) => operations.settleSchedules(batch, sequencing, new Map());

  await Promise.all([1, 2].map(() => kysely`select pg_sleep(0.1)`.execute(database.db)));
  await sql.query('begin; lock table channel_storage');
  proxy.slowDown(SLOW_MS);
  const failed = expect(settle(storage, fire(2))).rejects.toThrow();
  const waiting = `from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  await eventually(async () => expect((await sql.query(`select 1 ${waiting}`)).rowCount).toBe(1));
  // The answer about the schedule is under way now.
  proxy.slowDown(0);
  await sql.query(`select pg_terminate_backend(pid) ${waiting}`);
  await sql.query('commit');
  await failed;

  const settled = await settle(storage, fire(2));
  expect(settled).toMatchObject([storage, { event: { event: 'e' } }]);
  await operations.load(settled);
  operations.saved(operations.apply(settled, new Map()).changes);
  await delay(2 * SLOW_MS);
  expect(await settle(fire(3))).toEqual([]);
});
