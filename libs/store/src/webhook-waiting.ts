import { type RawBuilder, sql } from 'kysely';
import type { Db } from './db';
import { type RefusedRow, writeUnlessRefused } from './refused-rows';
import { TargetLostError, writeFenced, type TargetClaim, type TargetPosition } from './webhook-targets';

/** An event of the events stream on its way to a target. */
export interface WebhookEvent {
  /** Events that have it in common are delivered in order: those of a channel, or of a connection. */
  readonly orderingKey: string;
  readonly streamEpoch: number;
  readonly sequence: number;
  /** The same for every attempt (`webhook-id`). */
  readonly id: string;
  readonly type: string;
  readonly channel: string | undefined;
  readonly payload: Uint8Array;
}

/** An event that waits in Postgres. */
export interface WaitingEvent extends WebhookEvent {
  readonly attempts: number;
  /** On this process's `performance.now()`, from how long it has waited by the database's clock. */
  readonly waitingSince: number;
}

/**
 * Writes events down and says up to where the stream was read, both or neither. What was written down before is left as
 * it is, so that a repeat does not bring back what has been delivered since.
 *
 * @throws TargetLostError when another process has the target; nothing was written then
 */
export async function addWaiting(
  db: Db,
  claim: TargetClaim,
  events: readonly WebhookEvent[],
  position: TargetPosition,
): Promise<void> {
  const moved = await sql`
    with moved as (${moving(claim, position)}), added as (${adding(events, sql`moved`)})
    select target from moved`.execute(db);
  if (moved.rows.length === 0) await assertMoved(db, claim, position);
}

/** Does the same without the events that Postgres refuses for what they are. @returns those */
export function addWaitingUnlessRefused(
  db: Db,
  claim: TargetClaim,
  events: readonly WebhookEvent[],
  position: TargetPosition,
): Promise<readonly RefusedRow[]> {
  return db.transaction().execute(async (tx) => {
    const moved = await moving(claim, position).execute(tx);
    if (moved.rows.length > 0) {
      const target = sql`(select ${claim.target}::text as target) as moved`;
      return writeUnlessRefused(tx, 'webhook_waiting', events, async (some) => {
        await adding(some, target).execute(tx);
      });
    }
    await assertMoved(tx, claim, position);
    return [];
  });
}

function moving({ target, fencingToken }: TargetClaim, position: TargetPosition): RawBuilder<unknown> {
  return sql`
      update webhook_target
         set stream_epoch = ${position.epoch}, seq = ${position.sequence},
             stream_time = ${position.timeNs}, stream_created = ${position.streamCreated}
       where target = ${target} and epoch = ${fencingToken}
         and (stream_epoch, seq) < (${position.epoch}::int8, ${position.sequence}::int8)
      returning target`;
}

/** @param moved what has one row, \`moved\`, with the target */
function adding(events: readonly WebhookEvent[], moved: RawBuilder<unknown>): RawBuilder<unknown> {
  const column = <T>(of: (event: WebhookEvent) => T): T[] => events.map(of);
  return sql`
      insert into webhook_waiting
        (target, ordering_key, stream_epoch, seq, event_id, type, channel, payload, attempts)
      select moved.target, e.*, 0
        from ${moved}, unnest(${column((event) => event.orderingKey)}::text[], ${column((event) => event.streamEpoch)}::int8[],
                              ${column((event) => event.sequence)}::int8[], ${column((event) => event.id)}::text[],
                              ${column((event) => event.type)}::text[], ${column((event) => event.channel ?? null)}::text[],
                              ${column((event) => Buffer.from(event.payload))}::bytea[]) as e
      on conflict do nothing`;
}

/** @throws TargetLostError when the target is not ours, so that it was not moved */
async function assertMoved(db: Db, claim: TargetClaim, position: TargetPosition): Promise<void> {
  const { rows } = await sql`
    select target from webhook_target
     where target = ${claim.target} and epoch = ${claim.fencingToken}
       and stream_epoch = ${position.epoch} and seq = ${position.sequence}`.execute(db);
  if (rows.length === 0) throw new TargetLostError(claim);
}

/** Where an event is among those with its ordering key. */
export type EventPlace = Pick<WebhookEvent, 'streamEpoch' | 'sequence'>;

/**
 * The first events with an ordering key, at most `limit`, and no more after the one that makes `maxBytes` full.
 *
 * @param except those at these places are left out
 */
export async function firstWaiting(
  db: Db,
  target: string,
  orderingKey: string,
  limit: number,
  maxBytes: number,
  except: readonly EventPlace[] = [],
): Promise<WaitingEvent[]> {
  const epochs = except.map((place) => place.streamEpoch);
  const sequences = except.map((place) => place.sequence);
  const page = db
    .selectFrom('webhook_waiting')
    .selectAll()
    .select(sql<number>`sum(octet_length(payload)) over (order by stream_epoch, seq)`.as('bytes'))
    .where('target', '=', target)
    .where('ordering_key', '=', orderingKey)
    .where(sql<boolean>`(stream_epoch, seq) not in (select * from unnest(${epochs}::int8[], ${sequences}::int8[]))`)
    .orderBy('stream_epoch')
    .orderBy('seq')
    .limit(limit);
  const rows = await db
    .selectFrom(page.as('page'))
    .select(['ordering_key as orderingKey', 'stream_epoch as streamEpoch', 'seq as sequence', 'event_id as id', 'type'])
    .select(['channel', 'payload', 'attempts'])
    .select(sql<number>`(extract(epoch from now() - waiting_since) * 1000)::float8`.as('waitedMs'))
    .where(sql<number>`bytes - octet_length(payload)`, '<', maxBytes)
    .orderBy('stream_epoch')
    .orderBy('seq')
    .execute();
  const now = performance.now();
  return rows.map(({ waitedMs, channel, ...row }) => ({
    ...row,
    channel: channel ?? undefined,
    waitingSince: now - waitedMs,
  }));
}

/**
 * Takes events that were delivered off the list.
 *
 * @throws TargetLostError when another process has the target; nothing was written then
 */
export async function endWaiting(db: Db, claim: TargetClaim, events: readonly WebhookEvent[]): Promise<void> {
  const keys = events.map((event) => event.orderingKey);
  const epochs = events.map((event) => event.streamEpoch);
  const sequences = events.map((event) => event.sequence);
  await writeFenced(
    db,
    claim,
    sql`gone as (
      delete from webhook_waiting w
       using fence, unnest(${keys}::text[], ${epochs}::int8[], ${sequences}::int8[]) as e (ordering_key, stream_epoch, seq)
       where w.target = fence.target and w.ordering_key = e.ordering_key
         and w.stream_epoch = e.stream_epoch and w.seq = e.seq
    )`,
  );
}

/** Does the same but for the events of which Postgres refuses that for what they are. @returns those */
export function endWaitingUnlessRefused(
  db: Db,
  claim: TargetClaim,
  events: readonly WebhookEvent[],
): Promise<readonly RefusedRow[]> {
  return db
    .transaction()
    .execute((tx) => writeUnlessRefused(tx, 'webhook_waiting', events, (some) => endWaiting(tx, claim, some)));
}

/**
 * Notes a failed attempt.
 *
 * @throws TargetLostError when another process has the target; nothing was written then
 */
export async function noteAttempt(
  db: Db,
  claim: TargetClaim,
  event: WebhookEvent,
  attempts: number,
  lastError: string,
): Promise<void> {
  await writeFenced(
    db,
    claim,
    sql`noted as (
      update webhook_waiting w set attempts = ${attempts}, last_error = ${lastError} from fence
       where w.target = fence.target and w.ordering_key = ${event.orderingKey}
         and w.stream_epoch = ${event.streamEpoch} and w.seq = ${event.sequence}
    )`,
  );
}

/** Events with one ordering key that wait. */
export interface WaitingSummary {
  readonly orderingKey: string;
  readonly count: number;
  readonly bytes: number;
  /** Of the one that was tried most often. */
  readonly attempts: number;
}

/** What waits for a target. */
export function summarizeWaiting(db: Db, target: string): Promise<WaitingSummary[]> {
  return db
    .selectFrom('webhook_waiting')
    .select(({ fn }) => [
      'ordering_key as orderingKey',
      fn.countAll<number>().as('count'),
      sql<number>`sum(octet_length(payload))`.as('bytes'),
      fn.max('attempts').as('attempts'),
    ])
    .where('target', '=', target)
    .groupBy('ordering_key')
    .execute();
}
