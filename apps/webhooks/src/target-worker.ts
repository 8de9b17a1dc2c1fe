import {
  isRefusedForData,
  releaseTarget,
  renewTarget,
  reviveDeadLetters,
  reviveUnlessRefused,
  TargetLostError,
  type Revived,
  type TargetClaim,
  type TargetPosition,
} from '@hearth/store';
import { Delivery } from './delivery';
import { EventReader } from './event-reader';
import type { TargetHost } from './target-host';
import { targetMetrics } from './target-metrics';

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
  /** Dead letters may wait again that it does not know of, because the answer was lost: only who begins anew learns of them. */
  isUnsure = false;

  /**
   * @param claimedAt `performance.now()` when the claim was asked for
   * @param onLost another process has the target
   */
  constructor(
    private readonly host: TargetHost,
    url: string,
    private readonly claim: TargetClaim,
    position: TargetPosition,
    claimedAt: number,
    onLost: () => void,
  ) {
    this.validUntil = claimedAt + LEASE_MS - LEASE_MARGIN_MS;
    const { metrics } = host;
    const counts = targetMetrics(metrics, claim.target);
    const maySend = (): boolean => performance.now() < this.validUntil;
    this.delivery = new Delivery(host, url, claim, counts, maySend, onLost);
    this.reader = new EventReader(host, claim.target, counts, position, (...read) => this.delivery.add(...read));
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
    const { db } = this.host.database;
    const askedAt = performance.now();
    await renewTarget(db, this.claim, LEASE_MS);
    this.validUntil = askedAt + LEASE_MS - LEASE_MARGIN_MS;
    try {
      this.delivery.revive(await this.revived());
    } catch (error) {
      this.isUnsure = !(error instanceof TargetLostError);
      throw error;
    }
    this.delivery.pump();
  }

  private async revived(): Promise<readonly Revived[]> {
    const { db } = this.host.database;
    try {
      return await reviveDeadLetters(db, this.claim, REVIVED_AT_ONCE);
    } catch (error) {
      if (!isRefusedForData(error)) throw error;
      const { revived, refused } = await reviveUnlessRefused(db, this.claim, REVIVED_AT_ONCE);
      this.host.tellRefused(this.claim.target, refused);
      return revived;
    }
  }

  /** Ends what is under way, within `patienceMs`, and gives the target back. */
  async stop(patienceMs: number): Promise<void> {
    await this.end(patienceMs);
    await releaseTarget(this.host.database.db, this.claim);
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
