import { decodeIngest, type IngestRecord } from '@hearth/wire';
import { prepared } from './prepared';
import type { Db } from './db';

/** What waits for its time, for whoever wants to see it (management-api §2). */
export interface ParkedSchedule {
  readonly scheduleId: string;
  /** Unix ms. */
  readonly dueMs: number;
  /** What is to be processed then; in lists without its data. */
  readonly parked: IngestRecord;
}

interface Row {
  readonly scheduleId: string;
  readonly dueMs: number;
  readonly payload: string;
}

// Without the data, of which a page could hold 32 MB.
const page = prepared<Row>(
  'list_schedules',
  `select schedule_id as "scheduleId", due_ms as "dueMs", split_part(payload, e'\\n', 1) || e'\\n' as payload
     from schedule where schedule_id > $1 order by schedule_id limit $2::int4`,
);
const pageOfChannel = prepared<Row>(
  'list_schedules_of_channel',
  `select schedule_id as "scheduleId", due_ms as "dueMs", split_part(payload, e'\\n', 1) || e'\\n' as payload
     from schedule where schedule_channel(payload) = $3 and schedule_id > $1 order by schedule_id limit $2::int4`,
);
const one = prepared<Row>(
  'find_schedule',
  'select schedule_id as "scheduleId", due_ms as "dueMs", payload from schedule where schedule_id = $1',
);

/**
 * Schedules in the order of their names, as of what the sequencers have saved.
 *
 * @param after only greater names
 * @param channel only those of this channel
 */
export async function listSchedules(
  db: Db,
  { after, limit, channel }: { readonly after: string; readonly limit: number; readonly channel?: string },
): Promise<ParkedSchedule[]> {
  const rows = channel === undefined ? page(db, [after, limit]) : pageOfChannel(db, [after, limit, channel]);
  return (await rows).map(parkedOf);
}

/** @param scheduleId ULID, upper case */
export async function findSchedule(db: Db, scheduleId: string): Promise<ParkedSchedule | undefined> {
  const [row] = await one(db, [scheduleId]);
  return row === undefined ? undefined : parkedOf(row);
}

function parkedOf({ scheduleId, dueMs, payload }: Row): ParkedSchedule {
  return { scheduleId, dueMs, parked: decodeIngest(Buffer.from(payload, 'utf8')) };
}
