import { warnSeldom } from '@hearth/runtime';
import { claimPartition, listPartitions, releasePartition, releaseSequencer, reportCaughtUp } from '@hearth/store';
import { every, Repeated } from '@hearth/timing';
import { Injectable } from '@nestjs/common';
import { type Claim, compareClaims } from './claims';
import { Membership } from './membership';
import { PartitionHost } from './partition-host';
import { sharePartitions } from './partition-shares';
import { PartitionWorker } from './partition-worker';

const RENEW_EVERY_MS = 1_000;
const SAVE_EVERY_MS = 1_000;
/** How often is looked whether somebody has come or gone, and for partitions that are this process's and still another's. */
const LOOK_EVERY_MS = 250;
const TIDY_EVERY_MS = 5_000;

/**
 * Shares the partitions among the running sequencers. All of them compute the same shares from the list of them
 * (`partition-shares.ts`); the database decides who really owns a partition.
 *
 * When Postgres is away nobody can claim anything, and the owners go on: what they send without Postgres is a function
 * of the stream alone, and what needs Postgres waits.
 */
@Injectable()
export class PartitionOwnership {
  private readonly workers = new Map<number, PartitionWorker>();
  /** Claims that are being given back, and when that is done. */
  private readonly releasing = new Map<Claim, Promise<void>>();
  private claiming: number | undefined;
  private readonly membership: Membership;
  private renewals: Repeated | undefined;
  private jobs: readonly Repeated[] = [];

  constructor(private readonly host: PartitionHost) {
    this.membership = new Membership(host, () => {
      // Nobody shall take this process for dead.
      if (this.renewals !== undefined) void this.renew();
    });
  }

  /** Begins to claim partitions; returns after the first attempt. */
  async start(): Promise<void> {
    await this.renew();
    await this.balance();
    const { logger } = this.host;
    // Each by itself. A lease above all must wait for nothing but Postgres, or running sequencers are succeeded.
    this.renewals = every(RENEW_EVERY_MS, () => this.renew());
    this.jobs = [
      every(LOOK_EVERY_MS, () => this.look()),
      every(
        SAVE_EVERY_MS,
        () => Promise.all([...this.workers.values()].map((worker) => worker.save())),
        (error) => warnSeldom(logger, { err: error }, 'positions could not be saved'),
      ),
      every(
        TIDY_EVERY_MS,
        () => this.tidy(),
        (error) => warnSeldom(logger, { err: error }, 'what is processed stays in its stream a little longer'),
      ),
    ];
  }

  /** Partitions this process works on. */
  get owned(): readonly number[] {
    return [...this.workers.keys()];
  }

  /** Finishes what is at hand and gives all partitions back, so that the others need not wait for the lease to end. */
  async stop(): Promise<void> {
    const { renewals } = this;
    this.renewals = undefined;
    await Promise.all([renewals?.stop(), ...this.jobs.map((job) => job.stop())]);
    for (const partition of this.workers.keys()) this.release(partition);
    await Promise.all(this.releasing.values());
    await releaseSequencer(this.host.database.db, this.host.config.processId).catch(() => undefined);
    await this.membership.leave();
  }

  private async renew(): Promise<void> {
    try {
      await this.membership.renew();
      await this.compareClaims();
    } catch (error) {
      warnSeldom(this.host.logger, { err: error }, 'the lease of this sequencer could not be renewed');
    }
  }

  private async look(): Promise<void> {
    if (await this.membership.hasChanged()) await this.renew();
    await this.balance();
  }

  /** Gives back and claims what is not as it should be by the list of running sequencers; nothing, as a rule. */
  private async balance(): Promise<void> {
    const { database, config, logger } = this.host;
    const { partitions, processId } = config;
    const owners = sharePartitions(partitions, this.membership.running);
    for (const partition of this.workers.keys()) if (owners[partition] !== processId) this.release(partition);
    for (const partition of owners.keys()) {
      if (owners[partition] !== processId || this.workers.has(partition)) continue;
      this.claiming = partition;
      try {
        const claim = await claimPartition(database.db, partition, processId);
        if (claim === undefined) continue;
        logger.debug({ partition, fencingToken: claim.fencingToken }, 'partition claimed');
        const worker = new PartitionWorker(this.host, claim, () => this.forget(worker));
        this.workers.set(partition, worker);
      } catch (error) {
        return warnSeldom(logger, { err: error }, 'a partition could not be claimed');
      } finally {
        this.claiming = undefined;
      }
    }
  }

  /**
   * A process that was paused for longer than its lease still has workers for partitions that others own by now. And what is
   * this process's by the table, but not by what it does, nobody else can have while it is alive: that is given back.
   */
  private async compareClaims(): Promise<void> {
    const { database, config, logger } = this.host;
    const before = this.claims;
    const list = await listPartitions(database.db);
    const { lost, idle } = compareClaims(list, config.processId, before, this.claims, this.claiming);
    for (const { partition, fencingToken } of lost) {
      const worker = this.workers.get(partition);
      if (worker?.fencingToken === fencingToken) worker.fence();
    }
    for (const { partition, fencingToken } of idle) {
      logger.warn({ partition, fencingToken }, 'nobody works on a partition of this sequencer: it is given back');
      await releasePartition(database.db, partition, fencingToken);
    }
  }

  /** That are worked on, or being given back. */
  private get claims(): Claim[] {
    const working = [...this.workers.values()].map(({ partition, fencingToken }) => ({ partition, fencingToken }));
    return [...working, ...this.releasing.keys()];
  }

  private forget(worker: PartitionWorker): void {
    if (this.workers.get(worker.partition) === worker) this.workers.delete(worker.partition);
  }

  /** Gives a partition back; nothing waits for that but the end of the process. */
  private release(partition: number): void {
    const worker = this.workers.get(partition);
    if (worker === undefined) return;
    const { fencingToken } = worker;
    const claim = { partition, fencingToken };
    this.workers.delete(partition);
    const released = worker
      .stop()
      .catch((error: unknown) => warnSeldom(this.host.logger, { partition, err: error }, 'partition not given back'))
      .finally(() => this.releasing.delete(claim));
    this.releasing.set(claim, released);
  }

  /** Drops from the streams what is no longer needed, and lets the database know which dedup rows are not, either. */
  private async tidy(): Promise<void> {
    const { stream, database, config } = this.host;
    if (!stream.isConnected) return;
    const entries = await Promise.all(
      [...this.workers.values()].map(async (worker) => {
        const untilMs = await worker.tidy();
        // The next leader of the stream may have a clock that is a little behind.
        return {
          partition: worker.partition,
          fencingToken: worker.fencingToken,
          timeMs: untilMs - config.clockToleranceMs,
        };
      }),
    );
    await reportCaughtUp(database.db, entries);
  }
}
