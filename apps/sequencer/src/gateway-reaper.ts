import { HearthConfig, ReloadableSettings } from '@hearth/config';
import { CONFIG, Logger, LOGGER } from '@hearth/runtime';
import {
  Database,
  DeadGateway,
  deadGateways,
  endLeases,
  GATEWAY_LEASE_MS,
  hasSubscriptions,
  leftConnections,
  leftCounts,
  leftOpenConnections,
  leftSubscriptions,
  readClock,
  type StandingLease,
  standingLeases,
} from '@hearth/store';
import { IngestPublisher } from '@hearth/stream';
import { every, installationNow, Repeated } from '@hearth/timing';
import { endedConnectionData, type SubscriptionChange } from '@hearth/wire';
import { Inject, Injectable } from '@nestjs/common';
import { PartitionOwnership } from './partition-ownership';

const ROUND_MS = 2_000;
/** `metadata.reason` of the `disconnected` of a connection whose gateway has died. */
const BURIED = 'gateway-died';
/** After its lease has expired, a gateway has this long to come back. */
const GRACE_MS = 10_000;
/** Subscriptions of one kind that are removed in one round, for each gateway and partition: other work goes on beside. */
const AT_ONCE = 1_000;
/** Changes in one operation, which must fit into one message. */
const CHANGES_AT_ONCE = 200;
/** Ends of connections that are told in one round, for each gateway. */
const ENDS_AT_ONCE = 10_000;

/**
 * Removes what dead gateways have left behind in presence channels and counts (channels-presence-storage §2), by the
 * same operations that a running gateway would have sent.
 *
 * A gateway is dead when its lease has been ended, which only happens here; one that was merely slow notices by that,
 * and takes another number. While Postgres is away no gateway can renew its lease, so nobody is declared dead before
 * Postgres has been answering for longer than a running gateway needs. The clock of Postgres alone is no evidence: it may be
 * set, or be another machine's after a fail-over. Nobody is dead who has renewed his lease before our eyes within that time, and
 * nobody lives who has not for as long as a lease and the grace last.
 */
@Injectable()
export class GatewayReaper {
  private rounds: Repeated | undefined;
  /** Since when Postgres has answered whenever it was asked. */
  private answeringSinceMs: number | undefined;
  private answeredMs = 0;
  /** By gateway: the end of its lease, and since when that has been seen to stand (`performance.now()`). */
  private leases = new Map<number, { readonly until: string; readonly sinceMs: number }>();

  constructor(
    private readonly database: Database,
    private readonly ingest: IngestPublisher,
    private readonly ownership: PartitionOwnership,
    private readonly reloadable: ReloadableSettings,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'partitions'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  start(): void {
    this.rounds = every(
      ROUND_MS,
      () => this.reap(),
      (error) => {
        this.answeringSinceMs = undefined;
        this.logger.warn({ err: error }, 'what dead gateways left could not be removed, trying again');
      },
    );
  }

  async stop(): Promise<void> {
    await this.rounds?.stop();
  }

  private async reap(): Promise<void> {
    const { db } = this.database;
    const { owned: partitions } = this.ownership;
    // Asked in every round, also by who owns nothing: only who asks sees that Postgres is away.
    const clockMs = await readClock(db);
    const dead = this.dead(await standingLeases(db), clockMs, performance.now());
    if (this.answeredFor(performance.now()) > GRACE_MS) {
      const ended = await endLeases(db, dead);
      if (ended.length > 0) this.logger.warn({ gateways: ended }, 'gateways have died: removing what they left');
    }
    const found = partitions.length === 0 ? [] : await deadGateways(db, partitions);
    await Promise.all(found.map((dead) => this.removeLeftBy(dead)));
  }

  /** Whose lease has not been renewed for too long before our eyes; by the clock of Postgres it may have been so before. */
  private dead(leases: readonly StandingLease[], clockMs: number, nowMs: number): readonly StandingLease[] {
    const before = this.leases;
    this.leases = new Map(
      leases.map(({ gatewayId, until }) => {
        const seen = before.get(gatewayId);
        return [gatewayId, seen?.until === until ? seen : { until, sinceMs: nowMs }];
      }),
    );
    return leases.filter(({ gatewayId, untilMs }) => {
      const standsForMs = nowMs - (this.leases.get(gatewayId)?.sinceMs ?? nowMs);
      const isOverdue = untilMs < clockMs - GRACE_MS;
      return standsForMs > (isOverdue ? GRACE_MS : GATEWAY_LEASE_MS + GRACE_MS);
    });
  }

  /** Notes an answer of Postgres; for how long there have been answers, ms. */
  private answeredFor(nowMs: number): number {
    // In between, Postgres was paused or we were.
    const hasPaused = nowMs - this.answeredMs > GRACE_MS;
    if (this.answeringSinceMs === undefined || hasPaused) this.answeringSinceMs = nowMs;
    this.answeredMs = nowMs;
    return nowMs - this.answeringSinceMs;
  }

  private async removeLeftBy(dead: DeadGateway): Promise<void> {
    const { database, ingest, reloadable } = this;
    const { partition, gatewayId } = dead;
    // What an earlier round removed is still found until it is saved; that round may have failed and the stream have it.
    await ingest.perform({ kind: 'barrier', partition });
    const connections = await leftConnections(database.db, dead, AT_ONCE);
    const subscriptions = await leftSubscriptions(database.db, dead, AT_ONCE);
    // A total is told behind the ends that make it.
    const channels = subscriptions.length < AT_ONCE ? await leftCounts(database.db, dead, AT_ONCE) : [];
    const ends = subscriptions.map(({ channel, ...subscription }): SubscriptionChange => {
      return { channel, subscription: { ...subscription, ended: true, announced: true } };
    });
    const all = [...ends, ...channels.map((channel): SubscriptionChange => ({ channel, count: 0 }))];
    const removals = connections.map((connection) => ingest.send({ kind: 'leave', ...connection }));
    for (let from = 0; from < all.length; from += CHANGES_AT_ONCE) {
      const changes = all.slice(from, from + CHANGES_AT_ONCE);
      const events = reloadable.current.eventsEnabled;
      removals.push(ingest.send({ kind: 'subscriptions', partition, gatewayId, events, changes }));
    }
    removals.push(ingest.send({ kind: 'subscriptions', partition, gatewayId, buried: true, changes: [] }));
    await Promise.all(removals);
    await this.endConnectionsOf(dead);
  }

  /**
   * Tells of the ends of a dead gateway's connections, behind those of all their subscriptions (pubsub-events §4.4). While
   * others are still removing these, the next round does.
   */
  private async endConnectionsOf(dead: DeadGateway): Promise<void> {
    const { database, ingest, config } = this;
    const { partition, gatewayId } = dead;
    if ((await leftOpenConnections(database.db, dead, 1)).length === 0) return;
    // Whatever it has entered can be read then; and then, whatever was told of its leaving is told.
    await this.passBarriers({});
    if (await hasSubscriptions(database.db, gatewayId, config.partitions)) return;
    await this.passBarriers({ events: true });
    const connections = await leftOpenConnections(database.db, dead, ENDS_AT_ONCE);
    const ends = connections.map(({ connectionId, dataJson }) =>
      ingest.send({
        kind: 'connection',
        partition,
        gatewayId,
        connectionId,
        event: 'disconnected',
        dataJson: endedConnectionData(dataJson, installationNow()),
        reason: BURIED,
      }),
    );
    await Promise.all(ends);
  }

  private async passBarriers(what: { readonly events?: boolean }): Promise<void> {
    const all = Array.from({ length: this.config.partitions }, (_, partition) => partition);
    await Promise.all(all.map((partition) => this.ingest.perform({ kind: 'barrier', partition, ...what })));
  }
}
