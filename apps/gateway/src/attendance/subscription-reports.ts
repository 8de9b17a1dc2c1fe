import type { OperationOf } from '@hearth/wire';
import { IngestPublisher } from '@hearth/stream';
import { ReloadableSettings } from '@hearth/config';
import { Logger, LOGGER, Metrics, reportDroppedEvents } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Subscription } from '../connection/subscription';
import { introductionsOf, type ReportedChange, WaitingChanges } from './waiting-changes';

/** Between two operations for one partition: each costs what many subscriptions cost. Who waits for one ends the pause. */
const PAUSE_MS = 50;

/** What one partition is being told. */
interface Waiting {
  /** Not sent yet. */
  readonly changes: WaitingChanges;
  /** Number of the last change that the stream has. */
  told: number;
  /** When the last operation was sent, ms. */
  sentAt: number;
  /** Ends when something more has been told. */
  telling: Promise<void> | undefined;
  /** Ends a pause; harmless at any other time. */
  hurry: () => void;
}

/**
 * Tells the owners of partitions how many subscriptions to standard channels this gateway has
 * (channels-presence-storage §4). The first change goes at once; those that come during the pause after it, or while
 * the stream has not confirmed it, go into one operation: so a subscription costs next to nothing while many come, and an
 * older count can never come after a newer one. What the stream stores twice is recognised by the number of the report,
 * for it may be repeated when the stream has long forgotten its id.
 */
@Injectable()
export class SubscriptionReports {
  /** Counted subscriptions by channel, for each number this gateway has had: closing connections still carry the old. */
  private readonly counts = new Map<number, Map<string, number>>();
  private readonly waiting = new Map<string, Waiting>();
  /** Numbers begin again in each process. */
  private readonly run = randomUUID();

  constructor(
    private readonly ingest: IngestPublisher,
    private readonly reloadable: ReloadableSettings,
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  began(subscription: Subscription): void {
    subscription.isAnnounced = this.reloadable.current.eventsEnabled;
    this.report(subscription, 1);
  }

  ended(subscription: Subscription): void {
    this.report(subscription, -1);
  }

  /** When everything that has been reported about a partition until now is in its stream. */
  async told(partition: number): Promise<void> {
    await this.toldUntilNow([...this.waiting].filter(([key]) => partitionOf(key) === partition));
  }

  /** When everything that has been reported until now is in the streams. */
  async allTold(): Promise<void> {
    await this.toldUntilNow([...this.waiting]);
  }

  private async toldUntilNow(all: readonly (readonly [string, Waiting])[]): Promise<void> {
    const wanted = all.map(([, waiting]) => ({ waiting, number: waiting.changes.reported }));
    for (const { waiting, number } of wanted) {
      while (waiting.told < number && waiting.telling !== undefined) {
        waiting.hurry();
        await waiting.telling;
      }
    }
  }

  private report(one: Subscription, by: 1 | -1): void {
    const { connectionId, gatewayId, channel, identity, counted } = one;
    const count = counted ? this.count(gatewayId, channel.name, by) : undefined;
    const wantsEvents = one.isAnnounced || this.reloadable.current.eventsEnabled;
    if (count === undefined && !wantsEvents) return;
    const end = by < 0 ? { ended: true, announced: one.isAnnounced } : undefined;
    const subscription = wantsEvents ? { connectionId, ...identity, ...end } : undefined;
    const change = { channel: channel.name, count, subscription, of: wantsEvents ? one : undefined };
    this.tell(gatewayId, this.ingest.partitionOf(channel.name), change);
  }

  private count(gatewayId: number, channel: string, by: 1 | -1): number {
    let counts = this.counts.get(gatewayId);
    if (counts === undefined) this.counts.set(gatewayId, (counts = new Map<string, number>()));
    const count = Math.max(0, (counts.get(channel) ?? 0) + by);
    if (count > 0) counts.set(channel, count);
    else counts.delete(channel);
    return count;
  }

  private tell(gatewayId: number, partition: number, change: ReportedChange): void {
    const key = `${partition} ${gatewayId}`;
    let waiting = this.waiting.get(key);
    if (waiting === undefined) {
      waiting = { changes: new WaitingChanges(), told: 0, sentAt: 0, telling: undefined, hurry: () => undefined };
      this.waiting.set(key, waiting);
    }
    const lost = waiting.changes.push(change);
    if (lost > 0) reportDroppedEvents(lost, this.metrics, this.logger);
    if (waiting.telling === undefined) void this.tellAll(gatewayId, partition, waiting);
  }

  private async tellAll(gatewayId: number, partition: number, waiting: Waiting): Promise<void> {
    while (!waiting.changes.isEmpty) {
      waiting.telling = this.tellSome(gatewayId, partition, waiting).catch(() => {
        // The publisher is closing: whoever removes what a dead gateway left removes this too. Others wait for it as well.
        waiting.changes.clear();
      });
      await waiting.telling;
    }
    waiting.telling = undefined;
  }

  private async tellSome(gatewayId: number, partition: number, waiting: Waiting): Promise<void> {
    await pause(waiting);
    const { events, changes } = waiting.changes.take(this.reloadable.current.eventsEnabled);
    // That of its last change: without any it changes nothing, and may look like the report before.
    const number = changes.at(-1)?.number ?? waiting.told;
    waiting.sentAt = performance.now();
    const report: OperationOf<'subscriptions'> = {
      kind: 'subscriptions',
      partition,
      gatewayId,
      events: events ? true : undefined,
      report: { run: this.run, number },
      changes: changes.map(({ channel, count, subscription }) => ({ channel, count, subscription })),
      introduces: introductionsOf(changes),
    };
    await this.ingest.send(report, '', { atLast: true });
    waiting.told = number;
  }
}

/** Until the end of this turn of the event loop at least: what it brings goes together. */
async function pause(waiting: Waiting): Promise<void> {
  const ms = waiting.sentAt + PAUSE_MS - performance.now();
  await new Promise<void>((resolve) => {
    waiting.hurry = resolve;
    if (ms > 0) setTimeout(resolve, ms);
    else setImmediate(resolve);
  });
}

function partitionOf(key: string): number {
  return Number(key.slice(0, key.indexOf(' ')));
}
