import { sql, type RawBuilder } from 'kysely';
import { fromNow, now } from './database-clock';
import type { Db } from './db';

/** How far the events stream was read for a target; the members are those of a `StreamPosition`. */
export interface TargetPosition {
  readonly epoch: number;
  readonly sequence: number;
  readonly timeNs: string;
  readonly streamCreated: string;
}

/** One process's right to send to a target. */
export interface TargetClaim {
  readonly target: string;
  /** The column `epoch`: raised at every claim; a process with an older one is fenced. */
  readonly fencingToken: number;
}

/** Another process sends to the target by now; whatever this one was about to write must not be written. */
export class TargetLostError extends Error {
  override readonly name = 'TargetLostError';
  constructor({ target, fencingToken }: TargetClaim) {
    super(`webhook target ${target} is no longer owned with fencing token ${fencingToken}`);
  }
}

/** To the microsecond, as the table has it. */
const LEASE_UNTIL = sql<string>`lease_until::text`;

function columnsOf({ epoch, sequence, timeNs, streamCreated }: TargetPosition) {
  return { stream_epoch: epoch, seq: sequence, stream_time: timeNs, stream_created: streamCreated };
}

/** Makes the target, to be read from `position` on; one that exists keeps its own. */
export async function ensureTarget(db: Db, target: string, position: TargetPosition): Promise<void> {
  await db
    .insertInto('webhook_target')
    .values({ target, ...columnsOf(position) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/**
 * Takes a target that nobody has, or whose owner has not renewed its lease for too long before the caller's eyes, for `ttlMs` from
 * now. `undefined` when its owner has renewed it meanwhile, or somebody else was faster.
 *
 * @param standing the end of the lease that was seen to stand (`leaseOfTarget`), whatever the database's clock says of it
 */
export async function claimTarget(
  db: Db,
  target: string,
  processId: string,
  ttlMs: number,
  standing?: string,
): Promise<{ readonly claim: TargetClaim; readonly position: TargetPosition } | undefined> {
  const row = await db
    .updateTable('webhook_target')
    .set(({ eb }) => ({
      owner: processId,
      epoch: eb('epoch', '+', 1),
      lease_until: fromNow(ttlMs),
      updated_at: now,
    }))
    .where('target', '=', target)
    .where((eb) => eb.or([eb('owner', 'is', null), eb(LEASE_UNTIL, '=', standing ?? null)]))
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { epoch: fencingToken, stream_epoch, seq, stream_time, stream_created } = row;
  return {
    claim: { target, fencingToken },
    position: { epoch: stream_epoch, sequence: seq, timeNs: stream_time, streamCreated: stream_created },
  };
}

/** The end of the lease of whoever has a target, another one after each renewal; `undefined` where nobody has it. */
export async function leaseOfTarget(db: Db, target: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('webhook_target')
    .select(LEASE_UNTIL.as('until'))
    .where('target', '=', target)
    .where('owner', 'is not', null)
    .executeTakeFirst();
  return row?.until;
}

/**
 * Keeps a target for `ttlMs` from now, also when the lease has ended, as long as nobody else took it.
 *
 * @throws TargetLostError when another process has it
 */
export async function renewTarget(db: Db, claim: TargetClaim, ttlMs: number): Promise<void> {
  const { numUpdatedRows } = await owned(db, claim)
    .set({ lease_until: fromNow(ttlMs), updated_at: now })
    .where('owner', 'is not', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new TargetLostError(claim);
}

/** Gives a target back; does nothing when another process has it. */
export async function releaseTarget(db: Db, claim: TargetClaim): Promise<void> {
  await owned(db, claim).set({ owner: null, lease_until: now, updated_at: now }).execute();
}

function owned(db: Db, { target, fencingToken }: TargetClaim) {
  return db.updateTable('webhook_target').where('target', '=', target).where('epoch', '=', fencingToken);
}

/**
 * Runs statements that write only while the claim holds, and keeps others from claiming the target until they have.
 *
 * @param statements terms of a `with`, in which `fence` has one row, the target's, or none when the claim is lost
 * @throws TargetLostError when another process has the target
 */
export async function writeFenced<Row = unknown>(
  db: Db,
  claim: TargetClaim,
  statements: RawBuilder<unknown>,
  result: RawBuilder<Row> = sql<Row>`select target from fence`,
): Promise<Row[]> {
  const { rows } = await sql<Row>`
    with fence as (
      select target from webhook_target where target = ${claim.target} and epoch = ${claim.fencingToken} for share
    ), ${statements} ${result}`.execute(db);
  if (rows.length === 0) throw new TargetLostError(claim);
  return rows;
}

/**
 * Forgets targets that no process has had for `days`, with the events that wait for them.
 *
 * @param configured that somebody is about to have: the clock may have been set ahead, or everybody was away for long
 * @returns how many
 */
export async function dropUnusedTargets(db: Db, days: number, configured: readonly string[]): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('webhook_target')
    .where('updated_at', '<', sql<Date>`now() - ${days}::int * interval '1 day'`)
    .where(sql<boolean>`target <> all (${configured})`)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
