import { sql, type ExpressionBuilder } from 'kysely';
import type { Tables } from './tables';
import type { Db } from './db';
import { TargetLostError, type TargetClaim } from './webhook-targets';

/** An event of the events stream on its way to a target. */
export interface WebhookEvent {
  /** What is delivered in order: a channel or a connection. */
  readonly lane: string;
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
  /** How long it has waited, ms, by the database's clock. */
  readonly waitedMs: number;
}

/** An event that is put aside, with what has happened to it so far. */
export interface EventToWait {
  readonly event: WebhookEvent;
  readonly attempts: number;
  readonly lastError?: string;
}

/**
 * Puts events aside until it is their turn again; one that waits already is left as it is.
 *
 * @throws TargetLostError when another process has the target; nothing was written then
 */
export async function putToWait(db: Db, claim: TargetClaim, events: readonly EventToWait[]): Promise<void> {
  const column = <T>(of: (entry: EventToWait) => T): T[] => events.map(of);
  const { rows } = await sql`
    with fence as (
      select target from webhook_target where target = ${claim.target} and epoch = ${claim.epoch} for share
    ), added as (
      insert into webhook_waiting
        (target, lane, stream_epoch, seq, event_id, type, channel, payload, attempts, last_error)
      select fence.target, e.*
        from fence, unnest(${column(({ event }) => event.lane)}::text[], ${column(({ event }) => event.streamEpoch)}::int8[],
                           ${column(({ event }) => event.sequence)}::int8[], ${column(({ event }) => event.id)}::text[],
                           ${column(({ event }) => event.type)}::text[],
                           ${column(({ event }) => event.channel ?? null)}::text[],
                           ${column(({ event }) => Buffer.from(event.payload))}::bytea[],
                           ${column(({ attempts }) => attempts)}::int4[],
                           ${column(({ lastError }) => lastError ?? null)}::text[]) as e
      on conflict do nothing
    )
    select target from fence`.execute(db);
  if (rows.length === 0) throw new TargetLostError(claim);
}

/** The event of a lane whose turn it is; `undefined` when none waits. */
export async function firstWaiting(db: Db, target: string, lane: string): Promise<WaitingEvent | undefined> {
  const row = await db
    .selectFrom('webhook_waiting')
    .select(['lane', 'stream_epoch as streamEpoch', 'seq as sequence', 'event_id as id', 'type', 'channel'])
    .select([
      'payload',
      'attempts',
      sql<number>`(extract(epoch from now() - waiting_since) * 1000)::float8`.as('waitedMs'),
    ])
    .where('target', '=', target)
    .where('lane', '=', lane)
    .orderBy('stream_epoch')
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();
  return row && { ...row, channel: row.channel ?? undefined };
}

/** Picks out one event of those that wait. */
function isEvent(event: WebhookEvent, target: string) {
  return (eb: ExpressionBuilder<Tables, 'webhook_waiting'>) =>
    eb.and({ target, lane: event.lane, stream_epoch: event.streamEpoch, seq: event.sequence });
}

/** Takes an event that was delivered off the list. */
export async function endWaiting(db: Db, { target }: TargetClaim, event: WebhookEvent): Promise<void> {
  await db.deleteFrom('webhook_waiting').where(isEvent(event, target)).execute();
}

/** Notes a failed attempt. */
export async function noteAttempt(
  db: Db,
  { target }: TargetClaim,
  event: WebhookEvent,
  attempts: number,
  lastError: string,
): Promise<void> {
  const outcome = { attempts, last_error: lastError };
  await db.updateTable('webhook_waiting').set(outcome).where(isEvent(event, target)).execute();
}

export interface WaitingLane {
  readonly lane: string;
  readonly count: number;
  readonly bytes: number;
}

/** The lanes of a target in which events wait. */
export function waitingLanes(db: Db, target: string): Promise<WaitingLane[]> {
  return db
    .selectFrom('webhook_waiting')
    .select(({ fn }) => [
      'lane',
      fn.countAll<number>().as('count'),
      sql<number>`sum(octet_length(payload))`.as('bytes'),
    ])
    .where('target', '=', target)
    .groupBy('lane')
    .execute();
}

/**
 * Takes events off the list that are going to be read from the stream again: those from `from` to `to`, inclusive.
 * Otherwise they would be sent before others of their lane that come before them and are read again, too.
 */
export async function dropReadAgain(
  db: Db,
  { target }: TargetClaim,
  { streamEpoch, from, to }: { readonly streamEpoch: number; readonly from: number; readonly to: number },
): Promise<void> {
  await db
    .deleteFrom('webhook_waiting')
    .where('target', '=', target)
    .where('stream_epoch', '=', streamEpoch)
    .where((eb) => eb.between('seq', from, to))
    .execute();
}
