import { warnSeldom } from '@hearth/runtime';
import { claimPartition, listPartitions, releaseSequencer, reportCaughtUp } from '@hearth/store';
import { every, Repeated } from '@hearth/timing';
import { Injectable } from '@nestjs/common';
import { Membership } from './membership';
import { PartitionHost } from './partition-host';
import { sharePartitions } from './partition-shares';
import { PartitionWorker } from './partition-worker';

const RENEW_EVERY_MS = 1_000;
/** How often is looked whether somebody has come or gone, and for partitions that are this process's and still another's. */
const LOOK_EVERY_MS = 250;
const TIDY_EVERY_MS = 5_000;

/**
 * Shares the partitions among the living sequencers. All of them compute the same shares from the list of the living
 * (`partition-shares.ts`); the database decides who really owns a partition.
 *
 * When Postgres is away nobody can claim anything, and the owners go on: what they send without Postgres is a function
 * of the stream alone, and what needs Postgres waits.
 */
@Injectable()
export class PartitionOwnership {
  private readonly workers = new Map<number, PartitionWorker>();
  private readonly membership: Membership;
  private looks: Repeated | undefined;
  private tidying: Repeated | undefined;
  private ticking: Promise<void> | undefined;
  private tickedMs = -Infinity;
  /** Partitions that are to be this process's. */
  private share: readonly number[] = [];

  constructor(private readonly host: PartitionHost) {
    this.membership = new Membership(host, () => {
      // Nobody shall take this process for dead.
      if (this.looks !== undefined) void this.tick();
    });
  }

  /** Begins to claim partitions; returns after the first attempt. */
  async start(): Promise<void> {
    await this.tick();
    this.looks = every(LOOK_EVERY_MS, () => this.look());
    // Beside the leases, which must not wait for NATS.
    this.tidying = every(
      TIDY_EVERY_MS,
      () => this.tidy(),
      (error) => warnSeldom(this.host.logger, { err: error }, 'what is processed stays in its stream a little longer'),
    );
  }

  /** Partitions this process works on. */
  get owned(): readonly number[] {
    return [...this.workers.keys()];
  }

  /** Finishes what is at hand and gives all partitions back, so that the others need not wait for the lease to end. */
  async stop(): Promise<void> {
    const { looks } = this;
    this.looks = undefined;
    await Promise.all([looks?.stop(), this.tidying?.stop(), this.ticking]);
    const results = await Promise.allSettled([...this.workers.keys()].map((partition) => this.release(partition)));
    for (const result of results) {
      if (result.status === 'rejected')
        this.host.logger.warn({ err: result.reason as unknown }, 'partition not given back');
    }
    await releaseSequencer(this.host.database.db, this.host.config.processId).catch(() => undefined);
    await this.membership.leave();
  }

  private async look(): Promise<void> {
    // Looked at in any case: what is missing may be a dead one's.
    const hasChanged = await this.membership.hasChanged();
    const isDue = performance.now() - this.tickedMs >= RENEW_EVERY_MS;
    const isMissingSome = this.share.some((partition) => !this.workers.has(partition));
    if (hasChanged || isDue || isMissingSome) await this.tick();
  }

  private tick(): Promise<void> {
    this.ticking ??= this.tickNow().finally(() => (this.ticking = undefined));
    return this.ticking;
  }

  private async tickNow(): Promise<void> {
    this.tickedMs = performance.now();
    try {
      await this.balance();
      await Promise.all([...this.workers.values()].map((worker) => worker.save()));
    } catch (error) {
      warnSeldom(this.host.logger, { err: error }, 'sequencer lease, positions or streams could not be updated');
    }
  }

  private async balance(): Promise<void> {
    const { database, config, logger } = this.host;
    const { partitions, processId } = config;
    const living = await this.membership.renew();
    await this.dropLost();
    const owners = sharePartitions(partitions, living);
    this.share = [...owners.keys()].filter((partition) => owners[partition] === processId);
    for (const partition of this.workers.keys()) {
      if (owners[partition] !== processId) await this.release(partition);
    }
    for (const partition of this.share) {
      if (this.workers.has(partition)) continue;
      const claim = await claimPartition(database.db, partition, processId);
      if (claim === undefined) continue;
      logger.debug({ partition, epoch: claim.epoch }, 'partition claimed');
      this.workers.set(partition, new PartitionWorker(this.host, claim, () => this.workers.delete(partition)));
    }
  }

  /** A process that was paused for longer than its lease still has workers for partitions that others own by now. */
  private async dropLost(): Promise<void> {
    if (this.workers.size === 0) return;
    for (const { partition, owner, epoch } of await listPartitions(this.host.database.db)) {
      const worker = this.workers.get(partition);
      if (worker !== undefined && (owner !== this.host.config.processId || epoch !== worker.epoch)) worker.fence();
    }
  }

  private async release(partition: number): Promise<void> {
    const worker = this.workers.get(partition);
    if (worker === undefined) return;
    this.workers.delete(partition);
    await worker.stop();
  }

  /** Drops from the streams what is no longer needed, and lets the database know which dedup rows are not, either. */
  private async tidy(): Promise<void> {
    const { stream, database, config } = this.host;
    if (!stream.isConnected) return;
    const entries = await Promise.all(
      [...this.workers.values()].map(async (worker) => {
        const untilMs = await worker.tidy();
        // The next leader of the stream may have a clock that is a little behind.
        return { partition: worker.partition, epoch: worker.epoch, timeMs: untilMs - config.clockToleranceMs };
      }),
    );
    await reportCaughtUp(database.db, entries);
  }
}
