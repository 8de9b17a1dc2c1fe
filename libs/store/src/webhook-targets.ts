import { sql } from 'kysely';
import type { Db } from './tables';

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
  /** Raised at every claim; a process with an older one is fenced. */
  readonly epoch: number;
}

/** Another process sends to the target by now; whatever this one was about to write must not be written. */
export class TargetLostError extends Error {
  override readonly name = 'TargetLostError';
  constructor({ target, epoch }: TargetClaim) {
    super(`webhook target ${target} is no longer owned with epoch ${epoch}`);
  }
}

/** Makes the target, to be read from `position` on; one that exists keeps its own. */
export async function ensureTarget(db: Db, target: string, position: TargetPosition): Promise<void> {
  await sql`
    insert into webhook_target (target, stream_epoch, seq, stream_time, stream_created)
    values (${target}, ${position.epoch}, ${position.sequence}, ${position.timeNs}, ${position.streamCreated})
    on conflict do nothing`.execute(db);
}

/**
 * Takes a target that nobody has, or whose owner's lease has ended by the database's clock, for `ttlMs` from now.
 * `undefined` when it has a living owner.
 */
export async function claimTarget(
  db: Db,
  target: string,
  nodeId: string,
  ttlMs: number,
): Promise<{ readonly claim: TargetClaim; readonly position: TargetPosition } | undefined> {
  const { rows } = await sql<{
    epoch: number;
    stream_epoch: number;
    seq: number;
    stream_time: string;
    stream_created: string;
  }>`
    update webhook_target
       set owner = ${nodeId}, epoch = epoch + 1, lease_until = now() + ${ttlMs}::float8 * interval '1 millisecond',
           updated_at = now()
     where target = ${target} and (owner is null or lease_until <= now())
    returning epoch, stream_epoch, seq, stream_time, stream_created`.execute(db);
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    claim: { target, epoch: row.epoch },
    position: {
      epoch: row.stream_epoch,
      sequence: row.seq,
      timeNs: row.stream_time,
      streamCreated: row.stream_created,
    },
  };
}

/**
 * Keeps a target for `ttlMs` from now, also when the lease has ended, as long as nobody else took it, and saves how far
 * it has come.
 *
 * @throws TargetLostError when another process has it
 */
export async function renewTarget(db: Db, claim: TargetClaim, ttlMs: number, position: TargetPosition): Promise<void> {
  const { rows } = await sql`
    update webhook_target
       set lease_until = now() + ${ttlMs}::float8 * interval '1 millisecond', updated_at = now(),
           stream_epoch = ${position.epoch}, seq = ${position.sequence},
           stream_time = ${position.timeNs}, stream_created = ${position.streamCreated}
     where target = ${claim.target} and epoch = ${claim.epoch} and owner is not null
    returning target`.execute(db);
  if (rows.length === 0) throw new TargetLostError(claim);
}

/** Saves how far a target has come and gives it back; does nothing when another process has it. */
export async function releaseTarget(db: Db, claim: TargetClaim, position: TargetPosition): Promise<void> {
  await sql`
    update webhook_target
       set owner = null, lease_until = now(), updated_at = now(),
           stream_epoch = ${position.epoch}, seq = ${position.sequence},
           stream_time = ${position.timeNs}, stream_created = ${position.streamCreated}
     where target = ${claim.target} and epoch = ${claim.epoch}`.execute(db);
}

/** Forgets targets that no process has had for `days`, with the events that wait for them. Returns how many. */
export async function dropUnusedTargets(db: Db, days: number): Promise<number> {
  const { rows } = await sql`
    delete from webhook_target where updated_at < now() - ${days}::int * interval '1 day'
    returning target`.execute(db);
  return rows.length;
}
