import { sql } from 'kysely';
import { now } from './database-clock';
import type { Db } from './db';
import { type RefusedRow, writeUnlessRefused } from './refused-rows';
import { writeFenced, type TargetClaim } from './webhook-targets';
import type { WebhookEvent } from './webhook-waiting';

/** An event that was given up, as it is shown. */
export interface DeadLetter {
  readonly id: string;
  readonly target: string;
  readonly eventId: string;
  readonly type: string;
  readonly channel: string | null;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly waitingSince: Date;
  readonly givenUpAt: Date;
  readonly retryRequestedAt: Date | null;
  /** UTF-8 JSON, as it was sent. */
  readonly payload: Buffer;
}

function deadLetters(db: Db) {
  return db
    .selectFrom('webhook_dead_letter')
    .select([
      'id',
      'target',
      'event_id as eventId',
      'type',
      'channel',
      'attempts',
      'last_error as lastError',
      'payload',
    ])
    .select(['waiting_since as waitingSince', 'given_up_at as givenUpAt', 'retry_requested_at as retryRequestedAt']);
}

/**
 * Makes an event a dead letter and takes it off the list of those that wait, if it is there.
 *
 * @param id a new ULID
 * @throws TargetLostError when another process has the target; nothing was written then
 */
export async function giveUp(
  db: Db,
  claim: TargetClaim,
  id: string,
  event: WebhookEvent,
  attempts: number,
  lastError: string,
): Promise<void> {
  await writeFenced(
    db,
    claim,
    sql`gone as (
      delete from webhook_waiting w using fence
       where w.target = fence.target and w.ordering_key = ${event.orderingKey}
         and w.stream_epoch = ${event.streamEpoch} and w.seq = ${event.sequence}
      returning w.waiting_since
    ), added as (
      insert into webhook_dead_letter as d
        (id, target, ordering_key, stream_epoch, seq, event_id, type, channel, payload, attempts, last_error, waiting_since)
      select ${id}, fence.target, ${event.orderingKey}, ${event.streamEpoch}::int8, ${event.sequence}::int8, ${event.id},
             ${event.type}, ${event.channel ?? null}, ${Buffer.from(event.payload)}::bytea, ${attempts}::int4,
             ${lastError}, coalesce((select waiting_since from gone), now())
        from fence
      on conflict (target, event_id) do update
        set attempts = excluded.attempts, last_error = excluded.last_error, given_up_at = excluded.given_up_at
    )`,
  );
}

/**
 * Dead letters, the latest first, or with `after` the first first.
 *
 * @param before only those that were given up before the one with this id
 * @param after only those behind the one with this id, in the order of ids; `''` for all
 */
export function listDeadLetters(
  db: Db,
  {
    target,
    before,
    after,
    limit,
  }: { readonly target?: string; readonly before?: string; readonly after?: string; readonly limit: number },
): Promise<DeadLetter[]> {
  return deadLetters(db)
    .$if(target !== undefined, (query) => query.where('target', '=', target!))
    .$if(before !== undefined, (query) => query.where('id', '<', before!))
    .$if(after !== undefined, (query) => query.where('id', '>', after!))
    .orderBy('id', after === undefined ? 'desc' : 'asc')
    .limit(limit)
    .execute();
}

export function findDeadLetter(db: Db, id: string): Promise<DeadLetter | undefined> {
  return deadLetters(db).where('id', '=', id).executeTakeFirst();
}

/** Asks for dead letters to be sent again: one, or all of a target, or all. Returns how many are meant. */
export async function requestRetry(
  db: Db,
  which: { readonly id: string } | { readonly target: string | undefined },
): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('webhook_dead_letter')
    .set(({ fn }) => ({ retry_requested_at: fn.coalesce('retry_requested_at', now) }))
    .where((eb) => eb.and(which))
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/**
 * Has dead letters for which a retry was asked wait again, at their old places, at most `limit`.
 *
 * @param only the one with this id
 * @returns the ordering key and the size of each
 * @throws TargetLostError when another process has the target; nothing was written then
 */
export async function reviveDeadLetters(db: Db, claim: TargetClaim, limit: number, only?: string): Promise<Revived[]> {
  const rows = await writeFenced(
    db,
    claim,
    sql`revived as (
      delete from webhook_dead_letter
       where id in (select d.id from webhook_dead_letter d join fence using (target)
                     where d.retry_requested_at is not null ${only === undefined ? sql`` : sql`and d.id = ${only}`}
                     order by d.id limit ${limit})
      returning *
    ), added as (
      insert into webhook_waiting
        (target, ordering_key, stream_epoch, seq, event_id, type, channel, payload, attempts, last_error)
      select target, ordering_key, stream_epoch, seq, event_id, type, channel, payload, 0, last_error from revived
      on conflict do nothing
      returning ordering_key as "orderingKey", octet_length(payload) as bytes
    )`,
    sql<{
      orderingKey: string | null;
      bytes: number | null;
    }>`select added."orderingKey", added.bytes from fence left join added on true`,
  );
  return rows.flatMap(({ orderingKey, bytes }) =>
    orderingKey === null || bytes === null ? [] : [{ orderingKey, bytes }],
  );
}

/** A dead letter that waits again. */
export interface Revived {
  readonly orderingKey: string;
  readonly bytes: number;
}

/** Does the same one by one; what Postgres refuses for what it is stays a dead letter, and no retry is asked for any more. */
export function reviveUnlessRefused(
  db: Db,
  claim: TargetClaim,
  limit: number,
): Promise<{ readonly revived: readonly Revived[]; readonly refused: readonly RefusedRow[] }> {
  return db.transaction().execute(async (tx) => {
    const letters = tx.selectFrom('webhook_dead_letter').where('target', '=', claim.target);
    const asked = await letters
      .select(['id', 'event_id as eventId', 'type', 'channel'])
      .where('retry_requested_at', 'is not', null)
      .orderBy('id')
      .limit(limit)
      .execute();
    const revived: Revived[] = [];
    const refused: RefusedRow[] = [];
    for (const letter of asked) {
      const reviveOne = async (): Promise<void> =>
        void revived.push(...(await reviveDeadLetters(tx, claim, 1, letter.id)));
      refused.push(...(await writeUnlessRefused(tx, 'webhook_waiting', [letter], reviveOne)));
    }
    const ids = refused.map(({ row }) => (row as (typeof asked)[number]).id);
    if (ids.length > 0)
      await tx.updateTable('webhook_dead_letter').set({ retry_requested_at: null }).where('id', 'in', ids).execute();
    return { revived, refused };
  });
}

/**
 * Deletes dead letters with an id below `beforeId`, and the oldest ones of more than `most`, at most `batch` of each.
 * Returns how many went because they were too many: those an operator may still have wanted.
 */
export async function expireDeadLetters(
  db: Db,
  { beforeId, most, batch }: { readonly beforeId: string; readonly most: number; readonly batch: number },
): Promise<number> {
  const letters = db.selectFrom('webhook_dead_letter').select('id');
  const drop = (ids: typeof letters) =>
    db.deleteFrom('webhook_dead_letter').where('id', 'in', ids.orderBy('id').limit(batch)).executeTakeFirst();
  await drop(letters.where('id', '<', beforeId));
  const newestOfTooMany = letters.orderBy('id', 'desc').offset(most).limit(1);
  return Number((await drop(letters.where('id', '<=', newestOfTooMany))).numDeletedRows);
}
