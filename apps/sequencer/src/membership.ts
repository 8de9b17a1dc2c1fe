import {
  endLeaseOfSession,
  endStandingLease,
  renewSequencerLease,
  type SequencerLease,
  sequencerLeases,
  SessionLock,
} from '@hearth/store';
import { required } from '@hearth/config';
import { warnSeldom } from '@hearth/runtime';
import type { PartitionHost } from './partition-host';

/** A sequencer that has not renewed its lease for this long is taken for dead, whatever else is known. */
const LEASE_MS = 4_000;
/** Whoever has lost his own session does not judge others for so long: theirs may have been lost with it. */
const OTHERS_ARE_BACK_MS = 2_000;

/**
 * Which sequencers run. Each has a lease, and a lock that Postgres frees when the process ends (`SessionLock`), so that the
 * partitions of a killed one need not wait for the end of its lease. A lock that is free in two looks is taken for a
 * death: a process whose connection broke has another one by then. Should that be wrong, the partitions change hands for
 * nothing; who writes is decided by the fencing token of the claim, as ever. A clock of Postgres that is set neither ends a lease
 * nor keeps it: who was seen to renew his within its time runs, and nobody else.
 */
export class Membership {
  private readonly lock: SessionLock;
  private known: readonly string[] = [];
  private renewing: Promise<void> | undefined;
  /** Sessions of others whose lock was free at the last look. */
  private suspects: ReadonlySet<string> = new Set();
  /** By process: the end of its lease, and when that was seen first (`performance.now()`). */
  private seen = new Map<string, { readonly until: string; readonly atMs: number }>();
  private hasTold = false;

  /** @param onLost called when this process's lock is free, and is to be had again by `renew` */
  constructor(
    private readonly host: PartitionHost,
    onLost: () => void,
  ) {
    const url = required(host.config, 'databaseUrl');
    this.lock = new SessionLock(url, 'hearth-lock', onLost);
  }

  /** Ids of all that run, sorted, as of the last renewal; none before the first. */
  get running(): readonly string[] {
    return this.known;
  }

  /** Renews the lease of this process, once at a time; whoever calls meanwhile waits for the renewal under way. */
  renew(): Promise<void> {
    this.renewing ??= this.renewNow().finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  /** Looks whether other sequencers run than at the last renewal, and ends the leases of the dead. */
  async hasChanged(): Promise<boolean> {
    // One that comes is seen at the next renewal.
    if (this.known.length < 2) return false;
    const { database, config, logger } = this.host;
    try {
      const now = this.alive(await sequencerLeases(database.leases));
      const free = now.filter(({ processId, isLockFree }) => isLockFree && processId !== config.processId);
      const dead = free.filter(({ session }) => this.suspects.has(session ?? ''));
      this.suspects = new Set(free.map(({ session }) => session ?? ''));
      if (this.lock.isTakenSince(OTHERS_ARE_BACK_MS)) {
        for (const { processId, session } of dead) {
          if (!(await endLeaseOfSession(database.leases, processId, session ?? ''))) continue;
          logger.info({ sequencer: processId }, 'the session of a sequencer has ended: its partitions are free');
          return true;
        }
      }
      return now.map(({ processId }) => processId).join() !== this.known.join();
    } catch (error) {
      warnSeldom(logger, { err: error }, 'whether all sequencers run is not known');
      return false;
    }
  }

  /** Gives up the lock; the lease is ended by `releaseSequencer`. */
  leave(): Promise<void> {
    return this.lock.release();
  }

  private async renewNow(): Promise<void> {
    const { database, config, logger } = this.host;
    // A session that has ended is succeeded at once: a lease without one ends by time alone.
    const session = (await this.lock.confirm()) ?? (await this.lock.confirm());
    if (this.lock.isImpossible && !this.hasTold) {
      this.hasTold = true;
      logger.info('a pooler is in between: a killed sequencer is noticed when its lease ends, not at once');
    }
    await renewSequencerLease(database.leases, config.processId, LEASE_MS, session);
    const leases = await sequencerLeases(database.leases);
    const running = this.alive(leases);
    for (const lease of leases) if (!running.includes(lease)) await endStandingLease(database.leases, lease);
    this.known = running.map(({ processId }) => processId);
  }

  /** Those that run. An expired lease whose renewal this process has not seen is that of one that died earlier. */
  private alive(leases: readonly SequencerLease[]): SequencerLease[] {
    const nowMs = performance.now();
    const before = this.seen;
    this.seen = new Map(
      leases.map(({ processId, until, runs }) => {
        const last = before.get(processId);
        if (last?.until === until) return [processId, last];
        return [processId, { until, atMs: runs || last !== undefined ? nowMs : -Infinity }];
      }),
    );
    return leases.filter(({ processId }) => nowMs - (this.seen.get(processId)?.atMs ?? 0) < LEASE_MS);
  }
}
