import { setTimeout as delay } from 'node:timers/promises';
import { storageSyncedFrame, storageUpdatedFrame } from '@hearth/protocol';
import { comparePositions, compareUtf8, DeliverRecord, Position } from '@hearth/wire';
import { Logger } from '@hearth/runtime';
import type { PlacedStoragePage, StorageEntry } from '@hearth/store';
import type { Outlet } from './channel';
import { FrameBatch } from '../frames/frame-batch';
import { HeldOutlet } from './held-outlet';
import type { StorageReader } from '../commands/storage-reader';
import type { Subscription } from '../connection/subscription';

/** Keys up to `through`, in the order of UTF-8 bytes, were sent as of `since`; the last range has no end. */
interface SentRange {
  readonly through: string | undefined;
  readonly since: Position;
}

const RETRY_MS = 250;
/** Changes that come before the first page may take this share of what the client may have waiting. */
const BURST_SHARE = 0.5;
/** A client that reads slowly gets the next page when it has read half of what it may have waiting. */
const DRAIN_SHARE = 0.5;
const DRAIN_POLL_MS = 20;

/**
 * The entries that a new subscriber may observe: sent right after its `hotsock.subscribed`, in the order of their keys,
 * and before everything live (websocket-protocol §9.2).
 *
 * The subscriber is in its channel from the beginning, and what comes meanwhile is held back. Each page of entries is as
 * of a place in the partition's order; a change from before that place is in the page and is dropped, one from behind it
 * is sent after it. So a value is never followed by an older one, and nothing is missed in between. What is held counts as
 * the client's backlog, so one that does not read is closed like any other.
 */
export class StorageSnapshot {
  private readonly direct: Outlet;
  private readonly held: HeldOutlet;
  /** Changes that came before the last page was sent; `undefined` afterwards. */
  private changes: (readonly [key: string, change: DeliverRecord])[] | undefined = [];
  private sent: SentRange[] = [];
  /** Changes were dropped that the first page, if it is being read already, may not have. */
  private isFirstPageTooOld = false;

  private constructor(
    private readonly subscription: Subscription,
    private readonly reader: StorageReader,
    private readonly maxBacklogBytes: number,
    private readonly logger: Logger,
  ) {
    this.direct = subscription.socket;
    this.held = new HeldOutlet(this.direct);
  }

  /** Call it in the moment in which the subscriber was added to its channel. */
  static begin(subscription: Subscription, reader: StorageReader, maxBacklogBytes: number, logger: Logger): void {
    const snapshot = new StorageSnapshot(subscription, reader, maxBacklogBytes, logger);
    subscription.snapshot = snapshot;
    subscription.socket = snapshot.held;
    snapshot
      .send()
      .catch((error: unknown) => {
        logger.error({ channel: subscription.channel.name, err: error }, 'a storage snapshot failed');
        subscription.cutOff();
      })
      .finally(() => snapshot.held.drop());
  }

  /** Whether a change shall be told now; one that is not is either in the snapshot or told right after it. */
  takes(key: string, change: DeliverRecord): boolean {
    if (this.changes === undefined) return this.isNews(key, change);
    if (this.isInPages(key, change)) return false;
    this.changes.push([key, change]);
    this.held.keep(change.frame);
    // Writes that were accepted in a burst just before are not the reader's fault: a first page that is asked for from now
    // on has them all.
    if (this.sent.length === 0 && this.held.keptBytes > this.maxBacklogBytes * BURST_SHARE) this.forgetChanges();
    return false;
  }

  private forgetChanges(): void {
    this.changes = [];
    this.held.forget();
    this.isFirstPageTooOld = true;
  }

  private async send(): Promise<void> {
    const { subscription } = this;
    for (let after: string | undefined; ;) {
      this.isFirstPageTooOld = false;
      const page = await this.read(after);
      if (page === undefined) return;
      if (this.isFirstPageTooOld) continue;
      after = page.entries.at(-1)?.key;
      this.sent.push({ through: page.hasMore ? after : undefined, since: page.position });
      this.write(page.entries.filter(({ key }) => subscription.observes(key)).map((entry) => this.frameOf(entry)));
      if (!page.hasMore) break;
      if (!(await this.drained())) return;
    }
    const changes = this.changes ?? [];
    this.changes = undefined;
    this.write(changes.filter(([key, change]) => this.isNews(key, change)).map(([, { frame }]) => frame));
    if (subscription.wantsSnapshotEnd) this.write([Buffer.from(storageSyncedFrame(subscription.channel.name), 'utf8')]);
    this.held.release();
    subscription.socket = this.direct;
  }

  /** The next page, however long Postgres or NATS are away; `undefined` when the subscription has ended. */
  private async read(after: string | undefined): Promise<PlacedStoragePage | undefined> {
    const { subscription, reader } = this;
    const channel = subscription.channel.name;
    while (subscription.isActive) {
      try {
        const page = await reader.page(channel, after, () => subscription.isActive);
        return subscription.isActive ? page : undefined;
      } catch (error) {
        if (!subscription.isActive) return undefined;
        this.logger.warn({ channel, err: error }, 'storage entries could not be read, trying again');
        await delay(RETRY_MS);
      }
    }
    return undefined;
  }

  /** Waits until the client has read most of what it was sent; false when the subscription has ended. */
  private async drained(): Promise<boolean> {
    const { subscription, maxBacklogBytes, direct } = this;
    while (subscription.isActive && direct.backlogBytes > maxBacklogBytes * DRAIN_SHARE) await delay(DRAIN_POLL_MS);
    return subscription.isActive;
  }

  private write(frames: readonly Uint8Array[]): void {
    if (frames.length > 0) this.direct.write(new FrameBatch(frames));
  }

  private frameOf({ key, data, meta }: StorageEntry): Buffer {
    return Buffer.from(storageUpdatedFrame(this.subscription.channel.name, key, data, meta), 'utf8');
  }

  /** Whether a page that was sent, or one that is still to come, has the change. */
  private isInPages(key: string, { position }: DeliverRecord): boolean {
    const { since } = this.rangeOf(key) ?? this.sent.at(-1) ?? {};
    return since !== undefined && comparePositions(position, since) <= 0;
  }

  private isNews(key: string, { position }: DeliverRecord): boolean {
    const newest = this.sent.at(-1);
    // Changes come in order, so the ranges have done their duty when one from behind all of them comes.
    if (newest !== undefined && comparePositions(position, newest.since) > 0) this.sent = [];
    const range = this.rangeOf(key);
    return range === undefined || comparePositions(position, range.since) > 0;
  }

  private rangeOf(key: string): SentRange | undefined {
    return this.sent.find(({ through }) => through === undefined || compareUtf8(key, through) <= 0);
  }
}
