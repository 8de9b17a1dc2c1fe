import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SubscriptionChange } from '@hearth/protocol';
import type { IngestPublisher } from '@hearth/stream';
import type { Subscription } from './subscription';

/** Changes in one operation: with the largest details they still fit into a message of NATS. */
const CHANGES_AT_ONCE = 200;
/** Past it, while NATS is away, only counts are remembered and the events of single subscriptions are lost. */
const MAX_WAITING = 20_000;

/** What one partition has not been told yet. */
interface Waiting {
  changes: SubscriptionChange[];
  /** Ends when everything has been told. */
  telling: Promise<void> | undefined;
}

/**
 * Tells the owners of partitions how many subscriptions to standard channels this gateway has
 * (channels-presence-storage §4). The changes of one turn of the event loop, and those that come while the stream has
 * not confirmed the ones before, go into one operation: so a subscription costs next to nothing, and an older count
 * can never come after a newer one.
 */
export class SubscriptionReports {
  /** Counted subscriptions by channel, for each number this gateway has had: closing connections still carry the old. */
  private readonly counts = new Map<number, Map<string, number>>();
  private readonly waiting = new Map<string, Waiting>();

  constructor(
    private readonly ingest: Pick<IngestPublisher, 'operateAtLast' | 'partitionOf'>,
    private readonly wantsEvents: () => boolean,
    /** Called with the number of events that nobody will hear. */
    private readonly onDropped: (events: number) => void,
  ) {}

  began(subscription: Subscription): void {
    this.report(subscription, 1);
  }

  ended(subscription: Subscription): void {
    this.report(subscription, -1);
  }

  /** When everything that was reported about a partition is in its stream. */
  async told(gatewayId: number, partition: number): Promise<void> {
    await this.waiting.get(keyOf(gatewayId, partition))?.telling;
  }

  /** When everything that was reported is in the streams. */
  async allTold(): Promise<void> {
    await Promise.all(Array.from(this.waiting.values(), async ({ telling }) => telling));
  }

  private report({ connectionId, gatewayId, channel, identity, counted }: Subscription, by: 1 | -1): void {
    const count = counted ? this.count(gatewayId, channel.name, by) : undefined;
    const wantsEvents = this.wantsEvents();
    if (count === undefined && !wantsEvents) return;
    const ended = by < 0 ? true : undefined;
    const subscription = wantsEvents ? { connectionId, ...identity, ended } : undefined;
    this.tell(gatewayId, this.ingest.partitionOf(channel.name), { channel: channel.name, count, subscription });
  }

  private count(gatewayId: number, channel: string, by: 1 | -1): number {
    let counts = this.counts.get(gatewayId);
    if (counts === undefined) this.counts.set(gatewayId, (counts = new Map<string, number>()));
    const count = Math.max(0, (counts.get(channel) ?? 0) + by);
    if (count > 0) counts.set(channel, count);
    else counts.delete(channel);
    return count;
  }

  private tell(gatewayId: number, partition: number, change: SubscriptionChange): void {
    const key = keyOf(gatewayId, partition);
    let waiting = this.waiting.get(key);
    if (waiting === undefined) this.waiting.set(key, (waiting = { changes: [], telling: undefined }));
    waiting.changes.push(change);
    if (waiting.changes.length > MAX_WAITING) this.forgetDetails(waiting);
    waiting.telling ??= this.tellAll(gatewayId, partition, waiting);
  }

  private async tellAll(gatewayId: number, partition: number, waiting: Waiting): Promise<void> {
    await nextTurn();
    try {
      while (waiting.changes.length > 0) {
        const events = this.wantsEvents() || waiting.changes.some(({ subscription }) => subscription !== undefined);
        if (!events) waiting.changes = lastOfEachChannel(waiting.changes);
        const changes = waiting.changes.splice(0, CHANGES_AT_ONCE);
        await this.ingest.operateAtLast({ kind: 'subscriptions', partition, gatewayId, events, changes });
      }
    } catch {
      // The publisher is closing: whoever removes what a dead gateway left removes this too.
      waiting.changes = [];
    } finally {
      waiting.telling = undefined;
    }
  }

  private forgetDetails(waiting: Waiting): void {
    this.onDropped(waiting.changes.filter(({ subscription }) => subscription !== undefined).length);
    const counts = waiting.changes.flatMap(({ channel, count }) => (count === undefined ? [] : [{ channel, count }]));
    waiting.changes = lastOfEachChannel(counts);
  }
}

function keyOf(gatewayId: number, partition: number): string {
  return `${gatewayId} ${partition}`;
}

function lastOfEachChannel(changes: readonly SubscriptionChange[]): SubscriptionChange[] {
  return [...new Map(changes.map((change) => [change.channel, change])).values()];
}
