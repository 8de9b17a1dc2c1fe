import { encodeBundle, ingestSubject, MAX_BUNDLED_EVENTS } from '@hearth/wire';
import type { AckedPublisher, PublishOptions } from './acked-publisher';

/** An event that would make a bundle larger begins another; one that is larger by itself goes alone. */
const MAX_BUNDLE_BYTES = 64 * 1024;

/** Events of one partition that leave together and are confirmed together. */
class Bundle {
  private readonly events: Buffer[] = [];
  private bytes = 0;
  private settle: (outcome: Promise<void>) => void = () => undefined;
  readonly stored = new Promise<void>((resolve) => (this.settle = resolve));

  constructor(
    private readonly partition: number,
    readonly timeoutMs: number | undefined,
  ) {}

  hasRoomFor(event: Buffer): boolean {
    return this.events.length < MAX_BUNDLED_EVENTS && this.bytes + event.length <= MAX_BUNDLE_BYTES;
  }

  add(event: Buffer): void {
    this.events.push(event);
    this.bytes += event.length;
  }

  send(publisher: AckedPublisher): void {
    const { partition: lane, timeoutMs } = this;
    this.settle(publisher.publish(ingestSubject(lane), encodeBundle(this.events), { lane, timeoutMs, isTimed: true }));
  }
}

/**
 * Publishes events to the ingest streams, those of one turn of the event loop together. Under load, when a turn brings
 * many, an event costs a fraction of a message; one that comes alone does not wait for others.
 */
export class IngestBundler {
  private readonly open = new Map<number, Bundle>();

  constructor(private readonly publisher: AckedPublisher) {}

  /**
   * Events of one partition keep the order of the calls, also where NATS is a cluster that changes a leader.
   *
   * @param timeoutMs give up after so long; never, when absent
   * @returns when the stream has stored the event
   * @throws StreamUnavailableError when the event was not accepted
   */
  publish(partition: number, event: Buffer, timeoutMs?: number): Promise<void> {
    const open = this.open.get(partition);
    if (open !== undefined && open.timeoutMs === timeoutMs && open.hasRoomFor(event)) {
      open.add(event);
      return open.stored;
    }
    open?.send(this.publisher);
    const bundle = new Bundle(partition, timeoutMs);
    bundle.add(event);
    if (this.open.size === 0) setImmediate(() => this.sendAll());
    this.open.set(partition, bundle);
    return bundle.stored;
  }

  /** For an event that must be known by its own id: it goes alone, and its order does not matter where NATS loses some. */
  publishAlone(partition: number, event: Buffer, options: PublishOptions): Promise<void> {
    this.open.get(partition)?.send(this.publisher);
    this.open.delete(partition);
    return this.publisher.publish(ingestSubject(partition), event, { ...options, isTimed: true });
  }

  /** Sends what has been gathered so far. */
  sendAll(): void {
    for (const bundle of this.open.values()) bundle.send(this.publisher);
    this.open.clear();
  }
}
