import {
  isPresenceChannel,
  ProtocolError,
  subscribedFrame,
  unsubscribedFrame,
  type ClientFrame,
} from '@hearth/protocol';
import { CONFIG, HearthConfig, Logger, LOGGER } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { Attendance } from '../attendance/attendance';
import type { Channel } from '../channel/channel';
import { Hub } from '../channel/hub';
import { StorageSnapshot } from '../channel/storage-snapshot';
import {
  allowSubscription,
  historyStartMs,
  realChannel,
  subscribeToken,
  type Requester,
} from '../connection/permissions';
import { Subscription, type AllowedSubscription } from '../connection/subscription';
import type { Subscriptions } from '../connection/subscriptions';
import { Tokens } from '../connection/tokens';
import type { ClientSocket } from '../frames/client-socket';
import { Replay } from '../resume/replay';
import { Resume, type Missed } from '../resume/resume';
import { StorageReader } from './storage-reader';

/** A connection that may subscribe. */
export interface Joiner extends Requester {
  readonly socket: ClientSocket;
  readonly subscriptions: Subscriptions;
  readonly hasEnded: boolean;
  /** Until what it missed of the channel that it joined last has been written. */
  replayed: Promise<void> | undefined;
  /** Of the channels that it has entered or tried to enter. */
  partitions: Set<number> | undefined;
  /** Called when it does not read what it is sent. */
  cutOff(): void;
  answer(frame: string, answerId: number | undefined): void;
  /** @param channel as the client sent it */
  refuse(error: unknown, channel: string | undefined, answerId: number | undefined): void;
}

type SubscribeFrame = Extract<ClientFrame, { kind: 'subscribe' }>;

/** How a subscription was asked for. */
interface JoinRequest {
  readonly answerId?: number;
  /** Last message that the client has seen, when it resumes. */
  readonly after?: string;
  readonly autoSubscribed?: boolean;
}

/** A channel that a connection can enter in this very moment. One of the two functions must be called, once. */
interface Entrance {
  readonly channel: Channel;
  readonly allowed: AllowedSubscription;
  /** What a resuming client missed up to this moment; `undefined` for one that does not resume. */
  readonly enter: () => Missed | undefined;
  readonly giveUp: () => void;
}

/** How connections come into channels, and leave them (websocket-protocol §4, §5). */
@Injectable()
export class Joining {
  private readonly maxBacklogBytes: number;

  constructor(
    private readonly hub: Hub,
    private readonly tokens: Tokens,
    private readonly resume: Resume,
    private readonly attendance: Attendance,
    private readonly storage: StorageReader,
    @Inject(CONFIG) config: Pick<HearthConfig, 'wsMaxBacklogBytes'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.maxBacklogBytes = config.wsMaxBacklogBytes;
  }

  /**
   * Subscribes, or gives a promise when that takes more than this moment.
   *
   * @throws ProtocolError
   */
  subscribe(
    joiner: Joiner,
    { channel, token, after }: SubscribeFrame,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    if (token === undefined)
      return this.join(joiner, allowSubscription(channel, joiner, undefined), { answerId, after });
    return subscribeToken(token, joiner, this.tokens).then((claims) =>
      this.join(joiner, allowSubscription(channel, joiner, claims), { answerId, after }),
    );
  }

  /** Opens all channels at the same time, so that many take no longer than one; answers in the order of the claim. */
  async autoSubscribe(joiner: Joiner, channels: readonly string[]): Promise<void> {
    const opened = channels.map(async (channel) => this.open(allowSubscription(channel, joiner, undefined), undefined));
    await Promise.allSettled(opened);
    for (const [index, entrance] of opened.entries()) {
      try {
        await this.enter(joiner, await entrance, { autoSubscribed: true });
      } catch (error) {
        joiner.refuse(error, channels[index], undefined);
      }
    }
  }

  /**
   * @param name may be an alias
   * @throws ProtocolError `NOT_SUBSCRIBED`
   */
  unsubscribe(joiner: Joiner, name: string, answerId: number | undefined): void {
    const channel = realChannel(name, joiner);
    const subscription = joiner.subscription(channel);
    if (subscription === undefined) {
      throw new ProtocolError('NOT_SUBSCRIBED', `channel: this connection is not subscribed to ${channel}`);
    }
    joiner.subscriptions.remove(subscription);
    joiner.answer(unsubscribedFrame(channel, subscription.alias, subscription.identity), answerId);
  }

  private join(joiner: Joiner, allowed: AllowedSubscription, request: JoinRequest): Promise<void> | undefined {
    const { after } = request;
    const entrance = this.open(allowed, after === undefined ? undefined : { connectionId: joiner.id, after });
    if (!(entrance instanceof Promise)) return this.enter(joiner, entrance, request);
    // One replay at a time, so that no client has more of them waiting.
    return entrance.then((open) => this.enter(joiner, open, request)).then(() => joiner.replayed);
  }

  /**
   * Opens the channel, collects what a resuming client missed, and last uses up a single-use token. All of that is
   * nothing for most subscriptions, which get their entrance at once.
   *
   * @throws ProtocolError `INVALID_SUBSCRIBE_TOKEN`
   * @throws OutageError; nothing has been used up then
   */
  private open(allowed: AllowedSubscription, resuming: Resuming | undefined): Entrance | Promise<Entrance> {
    const channel = this.hub.use(allowed.channel);
    if (!channel.intake.isOpen || allowed.token?.singleUse === true || resuming !== undefined) {
      return this.openLater(channel, allowed, resuming);
    }
    return { channel, allowed, enter: () => undefined, giveUp: () => channel.release() };
  }

  private async openLater(
    channel: Channel,
    allowed: AllowedSubscription,
    resuming: Resuming | undefined,
  ): Promise<Entrance> {
    let takeMissed: (() => Missed) | undefined;
    const giveUp = () => {
      takeMissed?.();
      channel.release();
    };
    try {
      await channel.intake.opened;
      takeMissed = resuming === undefined ? undefined : await this.collectMissed(channel, allowed, resuming);
      if (allowed.token !== undefined && !(await this.tokens.consume(allowed.token))) {
        throw new ProtocolError('INVALID_SUBSCRIBE_TOKEN', 'data.token: this single-use token has been used');
      }
    } catch (error) {
      giveUp();
      throw error;
    }
    return { channel, allowed, enter: () => takeMissed?.(), giveUp };
  }

  private collectMissed(channel: Channel, { terms }: AllowedSubscription, resuming: Resuming): Promise<() => Missed> {
    return this.resume.collect({
      channel,
      ...resuming,
      visibleSinceMs: historyStartMs(channel.name, terms.grants),
      echoes: (event) => terms.grants.messageDirectives(channel.name, event).echo,
      hasSeen: (message) => this.resume.rights.covers(terms.identity.uid, channel.name, message),
    });
  }

  /** A standard channel is entered at once, a presence channel when its owner says so. */
  private enter(joiner: Joiner, entrance: Entrance, request: JoinRequest): Promise<void> | undefined {
    const { channel, allowed, giveUp } = entrance;
    if (joiner.hasEnded) return void giveUp();
    (joiner.partitions ??= new Set()).add(this.attendance.partitionOf(channel.name));
    if (!isPresenceChannel(channel.name)) return void this.begin(joiner, entrance, request);
    const { identity, grants } = allowed.terms;
    const { presence } = this.attendance;
    const counted = !grants.omitFromSubCount(channel.name);
    const entering = { connectionId: joiner.id, identity, counted, introduction: joiner.introduction };
    return presence
      .join(channel, entering, (membersJson) => {
        if (!joiner.hasEnded) return this.begin(joiner, entrance, request, membersJson);
        giveUp();
        presence.leave(channel.name, joiner.id);
      })
      .catch((error: unknown) => {
        giveUp();
        throw error;
      });
  }

  /** @param membersJson presence channels only */
  private begin(joiner: Joiner, entrance: Entrance, request: JoinRequest, membersJson?: string): void {
    const { channel, allowed, enter } = entrance;
    const { terms } = allowed;
    const missed = enter();
    const frame = subscribedFrame({
      channel: channel.name,
      alias: terms.alias,
      identity: terms.identity,
      autoSubscribed: request.autoSubscribed,
      membersJson,
      resume: missed === undefined ? undefined : { complete: missed.complete },
    });
    const welcome = (): void => {
      joiner.answer(frame, request.answerId);
      if (missed === undefined || missed.frames.length === 0) return;
      joiner.replayed = Replay.send(subscription, missed.frames, this.maxBacklogBytes);
    };
    const subscription = new Subscription(joiner, channel, terms);
    joiner.subscriptions.add(subscription, welcome, missed?.seen);
    if (!terms.grants.mayObserveStorage(channel.name)) return;
    StorageSnapshot.begin(subscription, this.storage, this.maxBacklogBytes, this.logger);
  }
}

/** What a resuming client asks with. */
interface Resuming {
  readonly connectionId: string;
  /** Id of the last message that it has seen. */
  readonly after: string;
}
