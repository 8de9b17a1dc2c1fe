import type {
  ConnectionRow,
  CountRow,
  OfChannel,
  PresenceRow,
  ReactionKey,
  ReactionRow,
  ReportRow,
  RowChange,
  ScheduleKey,
  ScheduleRow,
  StateChanges,
  StorageKey,
  StorageRow,
  SubscriptionKey,
  SubscriptionRow,
} from '@hearth/channels';
import type { Tables } from './tables';
import type { Db } from './db';
import { jsonArrays } from './json-arrays';
import { prepared } from './prepared';
import { type RefusedRow, writeUnlessRefused } from './refused-rows';

/**
 * What the sequencer knows about channels besides their messages: read when it first needs something, written in the
 * transaction that moves the partition's position (`writeStateChanges`), so that it is always as of that position.
 */

/** Members of a row with their types in SQL. The column has the member's name, in snake case and without `Json`. */
type Members = Readonly<Record<string, string>>;

interface StateColumns {
  readonly key: Members;
  readonly values: Members;
  /** Which rows to load: what follows `from`; those with the given keys by default. */
  readonly wanted?: string;
  readonly onConflict?: string;
}

/**
 * The statements of a table, prepared because messages wait for them. Rows and keys come as one JSON text, which Node
 * writes natively and Postgres takes apart (see `message-log.ts`).
 */
function stateTable<Row>(table: keyof Tables, { key, values, wanted, onConflict }: StateColumns) {
  const all = { ...key, ...values };
  const list = (members: Members, of: (member: string) => string) => Object.keys(members).map(of).join(', ');
  const given = (members: Members) =>
    `json_to_recordset($1::json) as k (${list(members, (member) => `"${member}" ${members[member]}`)})`;
  const hasKey = Object.keys(key)
    .map((member) => `t.${columnOf(member)} = k."${member}"`)
    .join(' and ');
  const columns = list(all, (member) => `t.${columnOf(member)} as "${member}"`);
  const { partition: _, ...inserted } = all;
  const updates = list(values, (member) => `${columnOf(member)} = excluded.${columnOf(member)}`);
  return {
    name: table,
    load: prepared<Row>(
      `load_${table}`,
      `select ${columns} from ${table} t ${wanted ?? `join ${given(key)} on ${hasKey}`}`,
    ),
    put: prepared(
      `put_${table}`,
      `insert into ${table} (partition, ${list(inserted, columnOf)})
       select $2::int4, ${list(inserted, (member) => `"${member}"`)} from ${given(all)}
       on conflict (${list(key, columnOf)}) do ${onConflict ?? `update set ${updates}`}`,
    ),
    drop: prepared(`drop_${table}`, `delete from ${table} t using ${given(key)} where ${hasKey}`),
  };
}

function columnOf(member: string): string {
  return member.replace(/Json$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A `uid` is stored as JSON text, because it may be null, which no key may be. */
type Stored<Row> = Omit<Row, 'uid'> & { readonly uidJson: string };

const ofChannels = 'where t.channel = any ($1::text[])';
const presence = stateTable<Stored<PresenceRow>>('presence_connection', {
  key: { channel: 'text', connectionId: 'text' },
  values: { gatewayId: 'int4', uidJson: 'text', umdJson: 'text', memberOrder: 'int8', counted: 'bool' },
  wanted: ofChannels,
});
const counts = stateTable<CountRow>('subscription_count', {
  key: { channel: 'text', gatewayId: 'int4' },
  values: { count: 'int4' },
  wanted: ofChannels,
});
const reports = stateTable<ReportRow>('subscription_report', {
  key: { partition: 'int4', gatewayId: 'int4' },
  values: { run: 'text', number: 'int8' },
  wanted: 'where t.partition = $1',
});
const connections = stateTable<ConnectionRow>('open_connection', {
  key: { partition: 'int4', gatewayId: 'int4', connectionId: 'text' },
  values: { dataJson: 'text' },
  wanted: 'where t.partition = $1',
});
const subscriptions = stateTable<Stored<SubscriptionRow>>('open_subscription', {
  key: { partition: 'int4', gatewayId: 'int4', channel: 'text', connectionId: 'text' },
  values: { uidJson: 'text', umdJson: 'text' },
});
const storage = stateTable<StorageRow>('channel_storage', {
  key: { channel: 'text', key: 'text' },
  values: { data: 'text', meta: 'text', expiresMs: 'int8', emitEvent: 'bool', origin: 'text' },
});
const reactions = stateTable<Stored<ReactionRow>>('message_reaction', {
  key: { channel: 'text', messageId: 'text', reaction: 'text', uidJson: 'text' },
  values: { id: 'text', umdJson: 'text', expiresMs: 'int8', origin: 'text' },
});
const schedules = stateTable<ScheduleRow>('schedule', {
  key: { scheduleId: 'text' },
  values: { dueMs: 'int8', payload: 'text' },
  onConflict: 'nothing',
});

/** All connections in the given presence channels, in no order. */
export async function loadPresence(db: Db, channels: readonly OfChannel[]): Promise<PresenceRow[]> {
  return (await presence.load(db, [channels.map(({ channel }) => channel)])).map(asRead);
}

/** The counts of the given channels, by gateway. */
export function loadCounts(db: Db, channels: readonly OfChannel[]): Promise<CountRow[]> {
  return counts.load(db, [channels.map(({ channel }) => channel)]);
}

/** The last report of each gateway that was applied in a partition. */
export function loadReports(db: Db, partition: number): Promise<ReportRow[]> {
  return reports.load(db, [partition]);
}

/** The open connections of the gateways whose home a partition is. */
export function loadConnections(db: Db, partition: number): Promise<ConnectionRow[]> {
  return connections.load(db, [partition]);
}

/** Those of the given subscriptions whose end has not been told. */
export async function loadSubscriptions(db: Db, keys: readonly SubscriptionKey[]): Promise<SubscriptionRow[]> {
  return (await subscriptions.load(db, [JSON.stringify(keys)])).map(asRead);
}

/** Those of the given entries that exist, expired ones too. */
export function loadStorage(db: Db, keys: readonly StorageKey[]): Promise<StorageRow[]> {
  return storage.load(db, [JSON.stringify(keys)]);
}

/** Those of the given reactions that exist. */
export async function loadReactions(db: Db, keys: readonly ReactionKey[]): Promise<ReactionRow[]> {
  return (await reactions.load(db, [JSON.stringify(keys.map(asStored))])).map(asRead);
}

/** Those of the given schedules that still wait. */
export function loadSchedules(db: Db, keys: readonly ScheduleKey[]): Promise<ScheduleRow[]> {
  return schedules.load(db, [JSON.stringify(keys)]);
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

/**
 * Writes what changed in a partition; call it in the transaction that moves its position.
 *
 * @param refused Postgres has refused some of it: these are left out and added here
 */
export async function writeStateChanges(
  tx: Db,
  partition: number,
  changes: StateChanges,
  refused?: RefusedRow[],
): Promise<void> {
  const write = async <Key extends object, Row extends Key>(
    { name, put, drop }: Pick<typeof counts, 'name' | 'put' | 'drop'>,
    ofTable: readonly RowChange<Key, Row>[],
  ): Promise<void> => {
    const rows = ofTable.flatMap(({ row }) => (row === undefined ? [] : [asStored(row)]));
    const gone = ofTable.flatMap(({ key, row }) => (row === undefined ? [asStored(key)] : []));
    const putAll = async (some: readonly object[]): Promise<void> => {
      for (const text of jsonArrays(some)) await put(tx, [text, partition]);
    };
    const dropAll = async (some: readonly object[]): Promise<void> => {
      for (const text of jsonArrays(some)) await drop(tx, [text]);
    };
    if (refused === undefined) {
      await putAll(rows);
      return dropAll(gone);
    }
    refused.push(...(await writeUnlessRefused(tx, name, rows, putAll)));
    refused.push(...(await writeUnlessRefused(tx, name, gone, dropAll)));
  };
  await write(presence, changes.presence);
  await write(counts, changes.counts);
  await write(reports, changes.reports);
  await write(connections, changes.connections);
  await write(subscriptions, changes.subscriptions);
  await write(storage, changes.storage);
  await write(reactions, changes.reactions);
  await write(schedules, changes.schedules);
}

function asStored(value: object): object {
  if (!('uid' in value)) return value;
  const { uid, ...rest } = value;
  return { ...rest, uidJson: JSON.stringify(uid) };
}

function asRead<Row extends { readonly uid: string | null }>({ uidJson, ...row }: Stored<Row>): Row {
  return { ...row, uid: JSON.parse(uidJson) as Row['uid'] } as unknown as Row;
}
