import { claimTarget, ensureTarget, leaseOfTarget, TargetLostError } from '@hearth/store';
import { ensureEventStream, extentOf } from '@hearth/stream';
import { every, Repeated } from '@hearth/timing';
import { Injectable } from '@nestjs/common';
import { targetName } from './rules/target-name';
import { TargetHost } from './target-host';
import { LEASE_MS, TargetWorker } from './target-worker';

const RENEW_EVERY_MS = LEASE_MS / 5;

/**
 * Shares the URLs among the processes: whoever comes first sends to a URL, the others stand by and take over when it
 * stops or its lease ends. The database decides.
 *
 * While Postgres is away nobody sends: the owner cannot know whether it still is the owner.
 */
@Injectable()
export class TargetOwnership {
  /** URLs by the names of their targets. */
  private readonly urls: ReadonlyMap<string, string>;
  private readonly known = new Set<string>();
  private readonly workers = new Map<string, TargetWorker>();
  /** By target: the end of another process's lease, and since when that has been seen to stand (`performance.now()`). */
  private readonly leases = new Map<string, { readonly until: string; readonly sinceMs: number }>();
  private ticks: Repeated | undefined;

  constructor(private readonly host: TargetHost) {
    this.urls = new Map(host.config.webhookUrls.map((url) => [targetName(url), url]));
  }

  /** Names of the targets, in the order of the configuration. */
  get targets(): readonly string[] {
    return [...this.urls.keys()];
  }

  /** Begins to claim targets; returns after the first attempt. */
  async start(): Promise<void> {
    await this.tick();
    this.ticks = every(RENEW_EVERY_MS, () => this.tick());
  }

  /** Finishes what is at hand, within `patienceMs`, and gives all targets back. */
  async stop(patienceMs: number): Promise<void> {
    await this.ticks?.stop();
    const stopped = await Promise.allSettled([...this.workers.values()].map((worker) => worker.stop(patienceMs)));
    for (const result of stopped) {
      if (result.status === 'rejected') {
        this.host.logger.warn({ err: result.reason as unknown }, 'a webhook target was not given back');
      }
    }
  }

  private async tick(): Promise<void> {
    await Promise.all([...this.urls].map(([target, url]) => this.look(target, url)));
  }

  private async look(target: string, url: string): Promise<void> {
    const worker = this.workers.get(target);
    try {
      if (worker === undefined) await this.claim(target, url);
      else await worker.renew();
    } catch (error) {
      if (error instanceof TargetLostError) await this.drop(target, worker);
      else this.host.logger.warn({ err: error, target }, 'a webhook target could not be claimed or kept');
      if (worker?.isUnsure === true) await this.beginAnew(target, worker);
    }
  }

  /** Gives a target back, to be claimed again soon. */
  private async beginAnew(target: string, worker: TargetWorker): Promise<void> {
    if (this.workers.get(target) === worker) this.workers.delete(target);
    await worker
      .stop(0)
      .catch((error: unknown) => this.host.logger.debug({ err: error, target }, 'its lease will end by itself'));
  }

  private async claim(target: string, url: string): Promise<void> {
    const { database, config, logger } = this.host;
    if (!this.known.has(target)) await this.makeKnown(target);
    const until = await leaseOfTarget(database.db, target);
    if (until !== undefined && !this.standsLong(target, until)) return;
    const claimedAt = performance.now();
    const claimed = await claimTarget(database.db, target, config.processId, LEASE_MS, until);
    if (claimed === undefined) return;
    logger.info({ target }, 'sending webhooks');
    const onLost = (): void => void this.drop(target, worker);
    const { claim, position } = claimed;
    const worker = new TargetWorker(this.host, url, claim, position, claimedAt, onLost);
    this.workers.set(target, worker);
  }

  /**
   * Whether whoever has the target has not renewed its lease before our eyes for as long as that lasts. The clock of Postgres is no
   * evidence: it may be set, or be another machine's after a fail-over.
   */
  private standsLong(target: string, until: string): boolean {
    const seen = this.leases.get(target);
    if (seen?.until === until) return performance.now() - seen.sinceMs > LEASE_MS;
    this.leases.set(target, { until, sinceMs: performance.now() });
    return false;
  }

  /** A new target gets what is published from now on. */
  private async makeKnown(target: string): Promise<void> {
    const { database, stream, config } = this.host;
    await ensureEventStream(await stream.manager(), config);
    const { created, last } = await extentOf(stream, config.eventsStream);
    const position = { epoch: 0, sequence: last, timeNs: '', streamCreated: created };
    await ensureTarget(database.db, target, position);
    this.known.add(target);
  }

  /** @param worker that has lost the target; by now another one may have it here */
  private async drop(target: string, worker: TargetWorker | undefined): Promise<void> {
    if (worker === undefined || this.workers.get(target) !== worker) return;
    this.workers.delete(target);
    this.host.logger.warn({ target }, 'another process sends webhooks to this target now');
    await worker.fence();
  }
}
