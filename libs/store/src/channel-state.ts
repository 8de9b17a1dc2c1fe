import type {
  CountRow,
  PresenceRow,
  ReactionKey,
  ReactionRow,
  ReportRow,
  RowChange,
  ScheduleRow,
  StateChanges,
  StorageKey,
  StorageRow,
} from '@hearth/channels';
import { prepared } from './prepared';
import type { Db } from './tables';

/**
 * What the sequencer knows about channels besides their messages: read when it first needs something, written in the
 * transaction that moves the partition's position (`writeStateChanges`), so that it is always as of that position.
 */

// Every statement takes one JSON text, which Node writes natively and Postgres takes apart (see `message-log.ts`).

const presenceOf = prepared<PresenceRow & { uidJson: string }>(
  'presence_of_channels',
  `select channel, connection_id as "connectionId", gateway_id as "gatewayId", uid as "uidJson", umd as "umdJson",
          member_order as "memberOrder", counted
     from presence_connection where channel = any ($1::text[])`,
);
const countsOf = prepared<CountRow>(
  'subscription_counts_of_channels',
  `select channel, gateway_id as "gatewayId", count from subscription_count where channel = any ($1::text[])`,
);
const reportsOf = prepared<ReportRow>(
  'subscription_reports_of_partition',
  `select partition, gateway_id as "gatewayId", run, number from subscription_report where partition = $1`,
);
const STORAGE_COLUMNS = `s.channel, s.key, s.data, s.meta, s.expires_ms as "expiresMs", s.emit_event as "emitEvent", s.origin`;
const storageOf = prepared<StorageRow>(
  'storage_entries',
  `select ${STORAGE_COLUMNS} from channel_storage s
     join json_to_recordset($1::json) as k (channel text, key text) on s.channel = k.channel and s.key = k.key`,
);
const reactionsOf = prepared<ReactionRow & { uidJson: string }>(
  'reactions',
  `select r.channel, r.message_id as "messageId", r.reaction, r.uid as "uidJson", r.id, r.umd as "umdJson",
          r.expires_ms as "expiresMs", r.origin
     from message_reaction r
     join json_to_recordset($1::json) as k (channel text, "messageId" text, reaction text, uid text)
       on r.channel = k.channel and r.message_id = k."messageId" and r.reaction = k.reaction and r.uid = k.uid`,
);
const schedulesOf = prepared<ScheduleRow>(
  'schedules',
  `select schedule_id as "scheduleId", due_ms as "dueMs", payload from schedule where schedule_id = any ($1::text[])`,
);

/** All connections in the given presence channels, in no order. */
export async function loadPresence(db: Db, channels: readonly string[]): Promise<PresenceRow[]> {
  return (await presenceOf(db, [channels])).map(withUid);
}

/** The counts of the given channels, by gateway. */
export function loadCounts(db: Db, channels: readonly string[]): Promise<CountRow[]> {
  return countsOf(db, [channels]);
}

/** The last report of each gateway that was applied in a partition. */
export function loadReports(db: Db, partition: number): Promise<ReportRow[]> {
  return reportsOf(db, [partition]);
}

/** Those of the given entries that exist, expired ones too. */
export function loadStorage(db: Db, keys: readonly StorageKey[]): Promise<StorageRow[]> {
  return storageOf(db, [JSON.stringify(keys)]);
}

/** Those of the given reactions that exist. */
export async function loadReactions(db: Db, keys: readonly ReactionKey[]): Promise<ReactionRow[]> {
  const wanted = keys.map((key) => ({ ...key, uid: JSON.stringify(key.uid) }));
  return (await reactionsOf(db, [JSON.stringify(wanted)])).map(withUid);
}

/** Those of the given schedules that still wait. */
export function loadSchedules(db: Db, scheduleIds: readonly string[]): Promise<ScheduleRow[]> {
  return schedulesOf(db, [scheduleIds]);
}

const dueSchedules = prepared<Pick<ScheduleRow, 'scheduleId' | 'dueMs'>>(
  'due_schedules',
  `select schedule_id as "scheduleId", due_ms as "dueMs" from schedule
    where partition = $1::int4 and due_ms <= $2::int8 and due_ms >= $3::int8
      and (due_ms, schedule_id) > ($3::int8, $4::text)
    order by due_ms, schedule_id limit $5::int4`,
);

/**
 * A page of a partition's schedules that are due until an instant, in the order in which they are due.
 *
 * @param after the last one of the page before
 */
export function loadDueSchedules(
  db: Db,
  partition: number,
  untilMs: number,
  after: Pick<ScheduleRow, 'scheduleId' | 'dueMs'>,
  limit: number,
): Promise<Pick<ScheduleRow, 'scheduleId' | 'dueMs'>[]> {
  return dueSchedules(db, [partition, untilMs, after.dueMs, after.scheduleId, limit]);
}

function withUid<Row extends { readonly uid: string | null }>({ uidJson, ...row }: Row & { uidJson: string }): Row {
  return { ...row, uid: JSON.parse(uidJson) as Row['uid'] } as unknown as Row;
}

const putPresence = prepared(
  'put_presence',
  `insert into presence_connection (channel, connection_id, partition, gateway_id, uid, umd, member_order, counted)
   select channel, "connectionId", $2::int4, "gatewayId", uid, "umdJson", "memberOrder", counted
     from json_to_recordset($1::json) as row (channel text, "connectionId" text, "gatewayId" int4, uid text,
            "umdJson" text, "memberOrder" int8, counted bool)
   on conflict (channel, connection_id) do update
      set gateway_id = excluded.gateway_id, uid = excluded.uid, umd = excluded.umd,
          member_order = excluded.member_order, counted = excluded.counted`,
);
const dropPresence = prepared(
  'drop_presence',
  `delete from presence_connection p using json_to_recordset($1::json) as k (channel text, "connectionId" text)
    where p.channel = k.channel and p.connection_id = k."connectionId"`,
);
const putCounts = prepared(
  'put_subscription_counts',
  `insert into subscription_count (channel, gateway_id, partition, count)
   select channel, "gatewayId", $2::int4, count
     from json_to_recordset($1::json) as row (channel text, "gatewayId" int4, count int4)
   on conflict (channel, gateway_id) do update set count = excluded.count`,
);
const dropCounts = prepared(
  'drop_subscription_counts',
  `delete from subscription_count c using json_to_recordset($1::json) as k (channel text, "gatewayId" int4)
    where c.channel = k.channel and c.gateway_id = k."gatewayId"`,
);
const putReports = prepared(
  'put_subscription_reports',
  `insert into subscription_report (partition, gateway_id, run, number)
   select $2::int4, "gatewayId", run, number
     from json_to_recordset($1::json) as row ("gatewayId" int4, run text, number int8)
   on conflict (partition, gateway_id) do update set run = excluded.run, number = excluded.number`,
);
const dropReports = prepared(
  'drop_subscription_reports',
  `delete from subscription_report r using json_to_recordset($1::json) as k (partition int4, "gatewayId" int4)
    where r.partition = k.partition and r.gateway_id = k."gatewayId"`,
);
const putStorage = prepared(
  'put_storage_entries',
  `insert into channel_storage (channel, key, partition, data, meta, expires_ms, emit_event, origin)
   select channel, key, $2::int4, data, meta, "expiresMs", "emitEvent", origin
     from json_to_recordset($1::json) as row (channel text, key text, data text, meta text, "expiresMs" int8,
            "emitEvent" bool, origin text)
   on conflict (channel, key) do update
      set data = excluded.data, meta = excluded.meta, expires_ms = excluded.expires_ms,
          emit_event = excluded.emit_event, origin = excluded.origin`,
);
const dropStorage = prepared(
  'drop_storage_entries',
  `delete from channel_storage s using json_to_recordset($1::json) as k (channel text, key text)
    where s.channel = k.channel and s.key = k.key`,
);
const putReactions = prepared(
  'put_reactions',
  `insert into message_reaction (channel, message_id, reaction, uid, partition, id, umd, expires_ms, origin)
   select channel, "messageId", reaction, uid, $2::int4, id, "umdJson", "expiresMs", origin
     from json_to_recordset($1::json) as row (channel text, "messageId" text, reaction text, uid text, id text,
            "umdJson" text, "expiresMs" int8, origin text)
   on conflict (channel, message_id, reaction, uid) do update
      set id = excluded.id, umd = excluded.umd, expires_ms = excluded.expires_ms, origin = excluded.origin`,
);
const dropReactions = prepared(
  'drop_reactions',
  `delete from message_reaction r
    using json_to_recordset($1::json) as k (channel text, "messageId" text, reaction text, uid text)
    where r.channel = k.channel and r.message_id = k."messageId" and r.reaction = k.reaction and r.uid = k.uid`,
);
const putSchedules = prepared(
  'put_schedules',
  `insert into schedule (schedule_id, partition, due_ms, payload)
   select "scheduleId", $2::int4, "dueMs", payload
     from json_to_recordset($1::json) as row ("scheduleId" text, "dueMs" int8, payload text)
   on conflict (schedule_id) do nothing`,
);
const dropSchedules = prepared(
  'drop_schedules',
  `delete from schedule s using json_to_recordset($1::json) as k ("scheduleId" text)
    where s.schedule_id = k."scheduleId"`,
);

type Statement = (db: Db, parameters: readonly unknown[]) => Promise<unknown>;

/** Writes what changed in a partition; call it in the transaction that moves its position. */
export async function writeStateChanges(tx: Db, partition: number, changes: StateChanges): Promise<void> {
  const jsonUid = <T extends { readonly uid: string | null }>(value: T) => ({
    ...value,
    uid: JSON.stringify(value.uid),
  });
  await write(tx, partition, changes.presence, putPresence, dropPresence, jsonUid);
  await write(tx, partition, changes.counts, putCounts, dropCounts);
  await write(tx, partition, changes.reports, putReports, dropReports);
  await write(tx, partition, changes.storage, putStorage, dropStorage);
  await write(tx, partition, changes.reactions, putReactions, dropReactions, jsonUid, jsonUid);
  await write(tx, partition, changes.schedules, putSchedules, dropSchedules);
}

async function write<Key, Row extends Key>(
  tx: Db,
  partition: number,
  changes: readonly RowChange<Key, Row>[],
  put: Statement,
  drop: Statement,
  rowAsStored: (row: Row) => unknown = (row) => row,
  keyAsStored: (key: Key) => unknown = (key) => key,
): Promise<void> {
  if (changes.length === 0) return;
  const rows = changes.flatMap(({ row }) => (row === undefined ? [] : [rowAsStored(row)]));
  const gone = changes.flatMap(({ key, row }) => (row === undefined ? [keyAsStored(key)] : []));
  for (const text of jsonArrays(rows)) await put(tx, [text, partition]);
  for (const text of jsonArrays(gone)) await drop(tx, [text]);
}

/** Characters of one statement's text: what piled up during an outage must not exceed the time one statement may take. */
const MAX_STATEMENT_CHARACTERS = 1_048_576;

/** The values as JSON arrays, each at most about as long as a statement may be. */
function* jsonArrays(values: readonly unknown[]): Generator<string> {
  let elements: string[] = [];
  let characters = 0;
  for (const value of values) {
    const element = JSON.stringify(value);
    if (elements.length > 0 && characters + element.length > MAX_STATEMENT_CHARACTERS) {
      yield `[${elements.join(',')}]`;
      elements = [];
      characters = 0;
    }
    elements.push(element);
    characters += element.length;
  }
  if (elements.length > 0) yield `[${elements.join(',')}]`;
}
