import type { HearthConfig, LiveSettings, Logger, Metrics } from '@hearth/runtime';
import {
  releaseTarget,
  renewTarget,
  reviveDeadLetters,
  type Database,
  type TargetClaim,
  type TargetPosition,
} from '@hearth/store';
import type { StreamConnection } from '@hearth/stream';
import { CONCURRENCY, Delivery } from './delivery';
import { EventReader } from './event-reader';
import { targetMetrics } from './target-metrics';
import { WebhookSender } from './webhook-sender';

/** What the workers of a process share. */
export interface WorkerParts {
  readonly stream: StreamConnection;
  readonly database: Database;
  readonly config: HearthConfig;
  readonly live: Pick<LiveSettings, 'current'>;
  readonly logger: Logger;
}

/** A process that has not renewed its claim for so long counts as gone. */
export const LEASE_MS = 5_000;
/** The clocks of two machines run at slightly different speeds. */
const LEASE_MARGIN_MS = 500;
/** Dead letters that are sent again, taken at a time. */
const REVIVED_AT_ONCE = 100;

/** Sends the events of the stream to one URL, as long as the claim is ours. */
export class TargetWorker {
  private readonly delivery: Delivery;
  private readonly reader: EventReader;
  private readonly hideGauges: readonly (() => void)[];
  private validUntil: number;
  private ended = false;

  /**
   * @param claimedAt `performance.now()` when the claim was asked for
   * @param onLost another process has the target
   */
  constructor(
    private readonly parts: WorkerParts,
    url: string,
    private readonly claim: TargetClaim,
    position: TargetPosition,
    claimedAt: number,
    metrics: Metrics,
    onLost: () => void,
  ) {
    const { config, live, logger, database, stream } = parts;
    this.validUntil = claimedAt + LEASE_MS - LEASE_MARGIN_MS;
    const counts = targetMetrics(metrics, claim.target);
    this.delivery = new Delivery({
      claim,
      database,
      sender: new WebhookSender(url, config, CONCURRENCY, () => live.current.webhookSecrets),
      maxAttempts: config.webhookMaxAttempts,
      metrics: counts,
      logger,
      maySend: () => performance.now() < this.validUntil,
      onLost,
    });
    this.reader = new EventReader(
      {
        target: claim.target,
        stream,
        config,
        metrics: counts,
        logger,
        onEvents: (...read) => this.delivery.add(...read),
      },
      position,
    );
    this.hideGauges = [
      metrics.webhooksWaiting.add(claim.target, () => this.delivery.waiting),
      metrics.webhooksLag.add(claim.target, () => this.lag()),
      metrics.webhooksPaused.add(claim.target, () => Number(this.delivery.isPaused)),
    ];
    void this.delivery.start().then(() => this.reader.start());
  }

  /**
   * Keeps the claim, and looks after what does not happen by itself; called each second.
   *
   * @throws TargetLostError when another process has the target
   */
  async renew(): Promise<void> {
    const { database } = this.parts;
    const askedAt = performance.now();
    await renewTarget(database.db, this.claim, LEASE_MS);
    this.validUntil = askedAt + LEASE_MS - LEASE_MARGIN_MS;
    this.delivery.revive(await reviveDeadLetters(database.db, this.claim, REVIVED_AT_ONCE));
    this.delivery.pump();
  }

  /** Ends what is under way, within `patienceMs`, and gives the target back. */
  async stop(patienceMs: number): Promise<void> {
    await this.end(patienceMs);
    await releaseTarget(this.parts.database.db, this.claim);
  }

  /** Stops at once: the target is somebody else's. */
  async fence(): Promise<void> {
    await this.end(0);
  }

  private async end(patienceMs: number): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    for (const hide of this.hideGauges) hide();
    await Promise.all([this.reader.stop(), this.delivery.stop(patienceMs)]);
  }

  private async lag(): Promise<number | undefined> {
    const behind = await this.reader.behind();
    const { waiting } = this.delivery;
    return waiting === undefined ? undefined : behind + waiting;
  }
}
