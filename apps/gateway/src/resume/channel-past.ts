import type { HearthConfig } from '@hearth/config';
import { idTimeMs, type ResumePoint, storageSyncedFrame } from '@hearth/protocol';
import { CONFIG, Logger, LOGGER } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import type { Channel } from '../channel/channel';
import type { Hole, Seen } from '../channel/intake';
import { StorageSnapshot } from '../channel/storage-snapshot';
import type { Joiner } from '../commands/joiner';
import { StorageReader } from '../commands/storage-reader';
import { historyStartMs } from '../connection/permissions';
import type { AllowedSubscription, Subscription } from '../connection/subscription';
import { FrameBatch } from '../frames/frame-batch';
import { PagedReplay } from './paged-replay';
import { Replay } from './replay';
import { planBehindHole } from './replay-plan';
import { type Missed, Resume } from './resume';
import { Resumption, type Resumed } from './resumption';

/** What a new subscription gets of the time before it: messages that its client missed, and storage. */
@Injectable()
export class ChannelPast {
  private readonly maxBacklogBytes: number;

  constructor(
    private readonly resume: Resume,
    private readonly resumption: Resumption,
    private readonly storage: StorageReader,
    @Inject(CONFIG) config: Pick<HearthConfig, 'wsMaxBacklogBytes'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.maxBacklogBytes = config.wsMaxBacklogBytes;
  }

  /** Whether clients wait for their turn to read, and turns end. */
  get readsMove(): boolean {
    return this.resumption.readsMove;
  }

  /** How a client goes on that asked with a resume point. */
  resumed(
    joiner: Joiner,
    channel: Channel,
    { terms }: AllowedSubscription,
    point: ResumePoint | undefined,
  ): Promise<Resumed> {
    return this.resumption.resume({
      channel,
      point,
      uid: terms.identity.uid,
      historyStartMs: historyStartMs(channel.name, terms.grants),
      isWanted: () => !joiner.hasEnded,
    });
  }

  /** Whether the claims show everything behind a message, so that what the channel has still to catch up with is for it, too. */
  showsAllBehind(channel: Channel, { terms }: AllowedSubscription, after: string): boolean {
    const visibleSinceMs = historyStartMs(channel.name, terms.grants);
    return visibleSinceMs !== undefined && idTimeMs(after) >= visibleSinceMs;
  }

  /** What a client missed that names the last message it has seen (resume §5). */
  missed(joiner: Joiner, channel: Channel, { terms }: AllowedSubscription, after: string): Promise<() => Missed> {
    return this.resume.collect({
      channel,
      connectionId: joiner.id,
      after,
      visibleSinceMs: historyStartMs(channel.name, terms.grants),
      echoes: (event) => terms.grants.messageDirectives(channel.name, event).echo,
      hasSeen: (message) => this.resume.rights.covers(terms.identity.uid, channel.name, message),
      isWanted: () => !joiner.hasEnded,
    });
  }

  /** For a client to go on from this subscription, on any gateway (resume §2). */
  token(joiner: Joiner, { channel, identity }: Subscription, resumed: Resumed | undefined): string {
    const chain = [joiner.id, ...(resumed?.connectionIds ?? [])];
    return this.resumption.token(channel, identity.uid, chain, joiner.expiresAtMs, resumed?.plan.from);
  }

  /** Sends what was missed, and makes the subscription a subscriber of its channel. Everything else goes on meanwhile. */
  replay(joiner: Joiner, subscription: Subscription, resumed: Resumed, after: string | undefined): void {
    const { channel, grants, socket } = subscription;
    const reader = {
      channel,
      socket,
      get isActive() {
        return subscription.isActive;
      },
      chain: [joiner.id, ...resumed.connectionIds],
      maxBacklogBytes: this.maxBacklogBytes,
      echoes: (event: string) => grants.messageDirectives(channel.name, event).echo,
      cutOff: () => joiner.cutOff(),
      goLive: (frames: readonly Uint8Array[], seen: Seen | undefined): void => {
        channel.add(subscription, () => frames.length > 0 && socket.write(new FrameBatch(frames)), seen);
        this.beginSnapshot(subscription);
      },
    };
    const source = this.resumption.sourceFor(() => subscription.isActive);
    const replay = new PagedReplay(reader, resumed.plan, source, this.logger, after);
    const run = (): Promise<void> =>
      replay.run().catch((error: unknown) => {
        this.logger.error({ channel: channel.name, err: error }, 'a replay failed');
        joiner.close(1013, 'Try again later');
      });
    const running = joiner.replays === undefined ? run() : joiner.replays.then(run);
    joiner.replays = running;
    void running.then(() => {
      if (joiner.replays === running) joiner.replays = undefined;
    });
  }

  /** Tells of a hole, and goes on behind it (resume §4). */
  goOn(joiner: Joiner, subscription: Subscription, lastId: string | undefined, hole: Hole): void {
    // Its storage snapshot is still on its way, and would be out of date.
    if (subscription.socket !== joiner.socket) return joiner.missed();
    const plan = planBehindHole(subscription.channel.intake.last, hole);
    this.replay(joiner, subscription, { plan, connectionIds: [] }, lastId);
  }

  /** The storage of the channel, for those that may observe it. */
  beginSnapshot(subscription: Subscription): void {
    const { channel, grants, socket, wantsSnapshotEnd } = subscription;
    if (!grants.mayObserveStorage(channel.name)) {
      if (wantsSnapshotEnd) socket.write(new FrameBatch([Buffer.from(storageSyncedFrame(channel.name), 'utf8')]));
      return;
    }
    StorageSnapshot.begin(subscription, this.storage, this.maxBacklogBytes, this.logger);
  }

  /** Sends what was collected by `missed`. @returns when it has been written, unless it is already */
  send(subscription: Subscription, { frames }: Missed): Promise<void> | undefined {
    return Replay.send(subscription, frames, this.maxBacklogBytes);
  }
}
