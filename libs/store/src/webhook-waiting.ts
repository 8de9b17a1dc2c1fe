import { sql } from 'kysely';
import type { Db } from './tables';
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
  const { rows } = await sql<{
    stream_epoch: number;
    seq: number;
    event_id: string;
    type: string;
    channel: string | null;
    payload: Buffer;
    attempts: number;
    waited_ms: number;
  }>`
    select stream_epoch, seq, event_id, type, channel, payload, attempts,
           (extract(epoch from now() - waiting_since) * 1000)::float8 as waited_ms
      from webhook_waiting where target = ${target} and lane = ${lane}
     order by stream_epoch, seq limit 1`.execute(db);
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    lane,
    streamEpoch: row.stream_epoch,
    sequence: row.seq,
    id: row.event_id,
    type: row.type,
    channel: row.channel ?? undefined,
    payload: row.payload,
    attempts: row.attempts,
    waitedMs: row.waited_ms,
  };
}

/** Takes an event that was delivered off the list. */
export async function endWaiting(db: Db, { target }: TargetClaim, event: WebhookEvent): Promise<void> {
  await sql`
    delete from webhook_waiting
     where target = ${target} and lane = ${event.lane}
       and stream_epoch = ${event.streamEpoch} and seq = ${event.sequence}`.execute(db);
}

/** Notes a failed attempt. */
export async function noteAttempt(
  db: Db,
  { target }: TargetClaim,
  event: WebhookEvent,
  attempts: number,
  lastError: string,
): Promise<void> {
  await sql`
    update webhook_waiting set attempts = ${attempts}, last_error = ${lastError}
     where target = ${target} and lane = ${event.lane}
       and stream_epoch = ${event.streamEpoch} and seq = ${event.sequence}`.execute(db);
}

export interface WaitingLane {
  readonly lane: string;
  readonly count: number;
  readonly bytes: number;
}

/** The lanes of a target in which events wait. */
export async function waitingLanes(db: Db, target: string): Promise<WaitingLane[]> {
  const { rows } = await sql<WaitingLane>`
    select lane, count(*)::int4 as count, sum(octet_length(payload))::float8 as bytes
      from webhook_waiting where target = ${target} group by lane`.execute(db);
  return rows;
}

/**
 * Takes events off the list that are going to be read from the stream again: those from `from` to `to`, inclusive. Otherwise they would be sent before others of their lane that come before them and are read again, too.
 */
export async function dropReadAgain(
  db: Db,
  { target }: TargetClaim,
  { streamEpoch, from, to }: { readonly streamEpoch: number; readonly from: number; readonly to: number },
): Promise<void> {
  await sql`
    delete from webhook_waiting
     where target = ${target} and stream_epoch = ${streamEpoch} and seq between ${from} and ${to}`.execute(db);
}
