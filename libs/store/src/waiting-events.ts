import type { Db } from './db';
import { jsonArrays } from './json-arrays';
import { prepared } from './prepared';
import { type RefusedRow, writeUnlessRefused } from './refused-rows';

/** A backend event that the events stream does not have, although the saved position of its partition is behind it. */
export interface WaitingEventRow {
  /** Its place among those of its partition. */
  readonly number: number;
  readonly eventJson: string;
}

/** What has become of those of one partition. */
export interface WaitingEventChanges {
  readonly added: readonly WaitingEventRow[];
  /** Numbers of those that wait no longer. */
  readonly gone: readonly number[];
}

const load = prepared<WaitingEventRow>(
  'load_waiting_events',
  'select number, event as "eventJson" from waiting_event where partition = $1::int4 order by number',
);

const put = prepared(
  'put_waiting_events',
  `insert into waiting_event (partition, number, event)
   select $2::int4, number, "eventJson" from json_to_recordset($1::json) as k (number int8, "eventJson" text)
   on conflict (partition, number) do nothing`,
);

const drop = prepared(
  'drop_waiting_events',
  'delete from waiting_event where partition = $2::int4 and number = any ($1::int8[])',
);

/** Those of a partition, in their order. */
export function loadWaitingEvents(db: Db, partition: number): Promise<WaitingEventRow[]> {
  return load(db, [partition]);
}

/**
 * Call it in the transaction that moves the partition's position.
 *
 * @param refused Postgres has refused some of it: these are left out and added here
 */
export async function writeWaitingEvents(
  tx: Db,
  partition: number,
  { added, gone }: WaitingEventChanges,
  refused?: RefusedRow[],
): Promise<void> {
  const putAll = async (rows: readonly WaitingEventRow[]): Promise<void> => {
    for (const text of jsonArrays(rows)) await put(tx, [text, partition]);
  };
  if (refused === undefined) await putAll(added);
  else refused.push(...(await writeUnlessRefused(tx, 'waiting_event', added, putAll)));
  if (gone.length > 0) await drop(tx, [gone, partition]);
}
