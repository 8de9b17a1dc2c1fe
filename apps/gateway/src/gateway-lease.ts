import { Logger } from '@hearth/runtime';
import {
  claimGatewayId,
  Database,
  GATEWAY_LEASE_MS,
  releaseGatewayLease,
  renewGatewayLease,
  untilReachable,
} from '@hearth/store';
import { every, Repeated, within } from '@hearth/timing';

const RENEW_MS = 3_000;
/**
 * What is not answered within this time is tried again on another connection: the one it went out on may be lost without a
 * word, which the pool takes longer to notice than an expired lease is left alone.
 */
const ANSWER_MS = 2_500;

/**
 * The number by which other nodes find this gateway's connections; it is part of their ids. It is leased in Postgres,
 * so that no two gateways have the same, and so that somebody notices when this one dies and removes its subscriptions.
 *
 * A gateway that cannot renew goes on. If its lease was ended meanwhile, it has been taken for dead and its
 * subscriptions are being removed; then it takes a new number and ends the connections that carry the old. Their clients
 * come back at once.
 */
export class GatewayLease {
  private lostListener: () => void = () => undefined;
  private readonly renewals: Repeated;

  private constructor(
    private readonly database: Pick<Database, 'leases'>,
    private readonly processId: string,
    private readonly logger: Logger,
    private current: number,
  ) {
    this.renewals = every(
      RENEW_MS,
      () => this.renew(),
      (error) => this.logger.warn({ err: error }, 'the gateway number could not be renewed, trying again'),
    );
  }

  /**
   * Waits for as long as Postgres cannot be reached.
   *
   * @throws the signal's reason when it is aborted
   */
  static async claim(
    database: Pick<Database, 'leases'>,
    processId: string,
    logger: Logger,
    interrupted: AbortSignal,
  ): Promise<GatewayLease> {
    const claim = (): Promise<number> => claimGatewayId(database.leases, processId, GATEWAY_LEASE_MS);
    const onWaiting = (reason: string): void => logger.warn(`No gateway number yet, waiting for Postgres: ${reason}`);
    const gatewayId = await untilReachable(claim, onWaiting, interrupted);
    logger.info({ gatewayId }, 'gateway number claimed');
    return new GatewayLease(database, processId, logger, gatewayId);
  }

  get gatewayId(): number {
    return this.current;
  }

  /** Called when the number had to be replaced; `gatewayId` is the new one then. */
  onReplaced(listener: () => void): void {
    this.lostListener = listener;
  }

  async release(): Promise<void> {
    // A renewal that finds its number gone takes another one.
    await this.renewals.stop();
    try {
      await releaseGatewayLease(this.database.leases, this.current, this.processId);
    } catch (error) {
      this.logger.warn({ err: error }, 'the gateway number could not be given back; its lease runs out by itself');
    }
  }

  private async renew(): Promise<void> {
    if (
      await within(ANSWER_MS, renewGatewayLease(this.database.leases, this.current, this.processId, GATEWAY_LEASE_MS))
    )
      return;
    const lost = this.current;
    this.current = await within(ANSWER_MS, claimGatewayId(this.database.leases, this.processId, GATEWAY_LEASE_MS));
    this.logger.error({ lost, gatewayId: this.current }, 'this gateway was taken for dead: taking a new number');
    this.lostListener();
  }
}
