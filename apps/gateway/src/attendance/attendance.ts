import { setTimeout as delay } from 'node:timers/promises';
import { isPresenceChannel } from '@hearth/protocol';
import { IngestPublisher } from '@hearth/stream';
import { Injectable } from '@nestjs/common';
import { Barriers } from './barriers';
import { Presence } from './presence-notices';
import { SubscriptionReports } from './subscription-reports';
import type { Subscription } from '../connection/subscription';

/** What is not with NATS after so long is removed by whoever buries this gateway. */
const SETTLE_MS = 3_000;

/** Who is subscribed where on this gateway, told to the owners of the channels (channels-presence-storage §2). */
@Injectable()
export class Attendance {
  constructor(
    readonly presence: Presence,
    private readonly reports: SubscriptionReports,
    private readonly barriers: Barriers,
    private readonly ingest: IngestPublisher,
  ) {}

  /** A subscription has begun. One to a presence channel began with what its owner said (`Presence.join`). */
  began(subscription: Subscription): void {
    if (!isPresenceChannel(subscription.channel.name)) this.reports.began(subscription);
  }

  ended(subscription: Subscription): void {
    const { name } = subscription.channel;
    if (isPresenceChannel(name)) this.presence.leave(name, subscription.connectionId);
    else this.reports.ended(subscription);
  }

  /**
   * Resolves once the stream of events holds the ends of a connection's subscriptions, however long that takes.
   *
   * @param partitions of all channels that it has entered or tried to enter
   */
  async endsTold(connectionId: string, partitions: Iterable<number>): Promise<void> {
    await this.presence.settled(connectionId);
    const endsTold = async (partition: number): Promise<void> => {
      await this.reports.told(partition);
      await this.barriers.eventsTold(partition);
    };
    await Promise.all(Array.from(partitions, endsTold));
  }

  partitionOf(channel: string): number {
    return this.ingest.partitionOf(channel);
  }

  /**
   * Resolves once everything that was accepted for a channel can be read from Postgres, and what this gateway knows of
   * its subscriptions among it.
   *
   * @throws OutageError when that takes too long
   */
  upToDate(channel: string): Promise<void> {
    return this.passBarrier(this.ingest.partitionOf(channel));
  }

  private async passBarrier(partition: number): Promise<void> {
    await this.reports.told(partition);
    await this.barriers.pass(partition);
  }

  /** Waits a moment for what has been told to be in the streams; then the publisher may be closed. */
  async settle(): Promise<void> {
    const settled = Promise.all([this.presence.allLeft(), this.reports.allTold()]);
    await Promise.race([settled, delay(SETTLE_MS, undefined, { ref: false })]);
  }

  close(): void {
    this.barriers.close();
  }
}
