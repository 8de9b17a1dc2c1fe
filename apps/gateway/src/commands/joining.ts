import { randomUUID } from 'node:crypto';
import {
  ConnectPoint,
  ConnectResume,
  isPresenceChannel,
  ProtocolError,
  ResumePoint,
  subscribedFrame,
  unsubscribedFrame,
  type ClientFrame,
} from '@hearth/protocol';
import { Injectable } from '@nestjs/common';
import { Attendance } from '../attendance/attendance';
import type { Channel } from '../channel/channel';
import { Hub } from '../channel/hub';
import type { Claims } from '@hearth/claims';
import { allowSubscription, realChannel, requireSubscription, subscribeToken } from '../connection/permissions';
import { Subscription, type AllowedSubscription } from '../connection/subscription';
import { Tokens } from '../connection/tokens';
import { Denials } from '../denials/denials';
import { Limits } from '../limits/connection-limits';
import { WorkTurns } from '../limits/work-turns';
import { ChannelPast } from '../resume/channel-past';
import type { Missed } from '../resume/resume';
import type { Resumed } from '../resume/resumption';
import { throughOutage } from './outage-wait';
import type { Joiner } from './joiner';

type SubscribeFrame = Extract<ClientFrame, { kind: 'subscribe' }>;

/** How a subscription was asked for. */
interface JoinRequest {
  readonly answerId?: number;
  /** Last message that the client has seen, when it resumes in the old way (resume §5). */
  readonly after?: string;
  /** The client wants a token, and goes on from there. */
  readonly resumable?: Resumable;
  readonly autoSubscribed?: boolean;
  /** The client wants to know where the storage snapshot ends. */
  readonly storage?: boolean;
  /** By which it uses up a single-use token, once however often it is tried; a UUID. */
  readonly tokenUse?: string;
}

/** What a client asks with that wants a token; without a point that could not be understood. */
interface Resumable {
  readonly point: ResumePoint | undefined;
}

/** A channel that a connection can enter in this very moment. One of the two functions must be called, once. */
interface Entrance {
  readonly channel: Channel;
  readonly allowed: AllowedSubscription;
  /** What a resuming client missed up to this moment; `undefined` for one that does not resume. */
  readonly enter: () => Missed | undefined;
  /** How its resume goes on, for one that asked for more than a token. */
  readonly resumed?: Resumed;
  readonly giveUp: () => void;
}

/** Channels of one connection that are opened together: some milliseconds of work. */
const OPENED_AT_ONCE = 32;

/** How connections come into channels, and leave them (websocket-protocol §4, §5). */
@Injectable()
export class Joining {
  constructor(
    private readonly hub: Hub,
    private readonly tokens: Tokens,
    private readonly denials: Denials,
    private readonly limits: Limits,
    private readonly turns: WorkTurns,
    private readonly past: ChannelPast,
    private readonly attendance: Attendance,
  ) {}

  /**
   * Subscribes, or gives a promise when that takes more than this moment.
   *
   * @throws ProtocolError
   */
  subscribe(
    joiner: Joiner,
    { channel, token, after, resume, storage }: SubscribeFrame,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    const tokenUse = token === undefined ? undefined : randomUUID();
    const request: JoinRequest = { answerId, after, resumable: resume && { point: resume }, storage, tokenUse };
    const attempt = (): Promise<void> | undefined => {
      if (token === undefined) return this.join(joiner, this.allow(channel, joiner, undefined), request);
      return subscribeToken(token, joiner, this.tokens).then((claims) =>
        this.join(joiner, this.allow(channel, joiner, claims), request),
      );
    };
    // One replay at a time, so that no client has more of them waiting.
    return throughOutage(joiner, attempt, () => this.past.readsMove)?.then(() => joiner.replayed);
  }

  /** Opens many channels at the same time, so that they take no longer than one; answers in the order of the claim. */
  async autoSubscribe(joiner: Joiner, channels: readonly string[], resume: ConnectResume | undefined): Promise<void> {
    const open = async (channel: string) => {
      const allowed = this.allow(channel, joiner, undefined);
      const point = resume && pointFor(resume, allowed);
      const request = { autoSubscribed: true, storage: point?.storage, resumable: resume && { point } };
      return { request, entrance: await this.open(joiner, allowed, request) };
    };
    const enter = async (opening: ReturnType<typeof open>): Promise<void> => {
      const { request, entrance } = await opening;
      await this.enter(joiner, entrance, request);
    };
    await this.turns.each(channels, OPENED_AT_ONCE, async (some) => {
      if (joiner.hasEnded) return;
      const openings = new Map(some.map((channel) => [channel, open(channel)]));
      // Those that fail before it is their turn.
      for (const opening of openings.values()) opening.catch(() => undefined);
      for (const channel of some) {
        const attempt = (): Promise<void> => {
          const opening = openings.get(channel) ?? open(channel);
          openings.delete(channel);
          return enter(opening);
        };
        try {
          await throughOutage(joiner, attempt, () => this.past.readsMove);
        } catch (error) {
          joiner.refuse(error, channel, undefined);
        }
      }
    });
  }

  /**
   * @param name may be an alias
   * @throws ProtocolError `NOT_SUBSCRIBED`
   */
  unsubscribe(joiner: Joiner, name: string, answerId: number | undefined): void {
    this.end(joiner, requireSubscription(realChannel(name, joiner), joiner), answerId);
  }

  /** Ends a subscription, and tells its client. */
  end(joiner: Joiner, subscription: Subscription, answerId: number | undefined): void {
    const { channel, alias, identity } = subscription;
    joiner.subscriptions.remove(subscription);
    joiner.answer(unsubscribedFrame(channel.name, alias, identity), answerId);
  }

  /** @throws ProtocolError */
  private allow(name: string, joiner: Joiner, token: Claims | undefined): AllowedSubscription {
    const allowed = allowSubscription(name, joiner, token);
    this.limits.checkSubscriptions(joiner.connect, joiner.subscriptions.count);
    if (!this.isDenied(joiner, allowed)) return allowed;
    const message = `channel: subscribing to ${allowed.channel} is refused at the moment`;
    throw new ProtocolError('SUBSCRIBE_PERMISSION_DENIED', message);
  }

  /** Whether a subscription is refused, or made with a token that was revoked. */
  private isDenied(joiner: Joiner, { channel, terms }: AllowedSubscription): boolean {
    const { identity, token } = terms;
    const uids = [joiner.identity.uid, identity.uid];
    if (this.denials.refusesSubscription(channel, joiner.id, uids)) return true;
    return token !== undefined && this.denials.isRevoked(token);
  }

  private join(joiner: Joiner, allowed: AllowedSubscription, request: JoinRequest): Promise<void> | undefined {
    const entrance = this.open(joiner, allowed, request);
    if (!(entrance instanceof Promise)) return this.enter(joiner, entrance, request);
    return entrance.then((open) => this.enter(joiner, open, request));
  }

  /**
   * Opens the channel, collects what a resuming client missed, and last uses up a single-use token. All of that is
   * nothing for most subscriptions, which get their entrance at once.
   *
   * @throws ProtocolError `INVALID_SUBSCRIBE_TOKEN`
   * @throws OutageError; nothing has been used up then
   */
  private open(joiner: Joiner, allowed: AllowedSubscription, request: JoinRequest): Entrance | Promise<Entrance> {
    const channel = this.hub.use(allowed.channel);
    if (!channel.intake.isOpen || allowed.terms.token?.singleUse === true || hasPast(request)) {
      return this.openLater(joiner, channel, allowed, request);
    }
    return { channel, allowed, enter: () => undefined, giveUp: () => channel.release() };
  }

  private async openLater(
    joiner: Joiner,
    channel: Channel,
    allowed: AllowedSubscription,
    request: JoinRequest,
  ): Promise<Entrance> {
    const { after, resumable } = request;
    const { token } = allowed.terms;
    let takeMissed: (() => Missed) | undefined;
    let resumed: Resumed | undefined;
    const giveUp = () => {
      takeMissed?.();
      channel.release();
    };
    try {
      await channel.intake.opened;
      if (resumable !== undefined && hasPast(request))
        resumed = await this.past.resumed(joiner, channel, allowed, resumable.point);
      if (after !== undefined) takeMissed = await this.past.missed(joiner, channel, allowed, after);
      // An ended connection would use it up in vain: its client comes back with it.
      if (token !== undefined && !joiner.hasEnded && !(await this.tokens.consume(token, request.tokenUse))) {
        throw new ProtocolError('INVALID_SUBSCRIBE_TOKEN', 'data.token: this single-use token has been used');
      }
    } catch (error) {
      giveUp();
      throw error;
    }
    return { channel, allowed, enter: () => takeMissed?.(), resumed, giveUp };
  }

  /** A standard channel is entered at once, a presence channel when its owner says so. */
  private enter(joiner: Joiner, entrance: Entrance, request: JoinRequest): Promise<void> | undefined {
    const { channel, allowed, resumed, giveUp } = entrance;
    if (joiner.hasEnded) return void giveUp();
    // What the channel has still to catch up with is from before.
    const { after } = request;
    const isOfPast = resumed?.plan.startAt !== undefined;
    const seesPast = isOfPast || (after !== undefined && this.past.showsAllBehind(channel, allowed, after));
    if (!channel.intake.isLive && !seesPast) return this.enterLive(joiner, entrance, request);
    try {
      // Again, because several were opened at the same time.
      this.limits.checkSubscriptions(joiner.connect, joiner.subscriptions.count);
    } catch (error) {
      giveUp();
      throw error;
    }
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

  private async enterLive(joiner: Joiner, entrance: Entrance, request: JoinRequest): Promise<void> {
    try {
      await entrance.channel.intake.caughtUp();
    } catch (error) {
      entrance.giveUp();
      throw error;
    }
    return this.enter(joiner, entrance, request);
  }

  /** @param membersJson presence channels only */
  private begin(joiner: Joiner, entrance: Entrance, request: JoinRequest, membersJson?: string): void {
    const { channel, allowed, enter, resumed } = entrance;
    const { terms } = allowed;
    const missed = enter();
    const subscription = new Subscription(joiner, channel, terms);
    subscription.wantsSnapshotEnd = request.storage === true;
    const frame = subscribedFrame({
      channel: channel.name,
      alias: terms.alias,
      identity: terms.identity,
      autoSubscribed: request.autoSubscribed,
      membersJson,
      resume:
        request.resumable === undefined
          ? missed && { complete: missed.complete }
          : { complete: resumed?.plan.complete, token: this.past.token(joiner, subscription, resumed) },
      // Who asked in the frame knows what it asked.
      storage: request.autoSubscribed && request.storage,
    });
    const welcome = (): void => {
      joiner.answer(frame, request.answerId);
      if (missed === undefined || missed.frames.length === 0) return;
      joiner.replayed = this.past.send(subscription, missed);
    };
    if (request.resumable !== undefined) {
      subscription.onMissed = (lastId, hole) => this.past.goOn(joiner, subscription, lastId, hole);
    }
    if (resumed === undefined) {
      joiner.subscriptions.add(subscription, welcome, missed?.seen);
      if (this.isDenied(joiner, allowed)) return this.end(joiner, subscription, undefined);
      this.past.beginSnapshot(subscription);
      return;
    }
    joiner.subscriptions.register(subscription);
    welcome();
    if (this.isDenied(joiner, allowed)) return this.end(joiner, subscription, undefined);
    this.past.replay(joiner, subscription, resumed, request.resumable?.point?.after);
  }
}

/** Whether a subscription has to do with what was before it. */
function hasPast({ after, resumable }: JoinRequest): boolean {
  if (after !== undefined) return true;
  if (resumable === undefined) return false;
  const { point } = resumable;
  return point === undefined || point.after !== undefined || point.token !== undefined;
}

/** What the connect URL says of a channel; for what it does not name, the client resumes from now on (resume §1). */
function pointFor(
  { points, isUnreadable }: ConnectResume,
  { channel, terms }: AllowedSubscription,
): ConnectPoint | undefined {
  if (isUnreadable) return undefined;
  if (points.has(channel)) return points.get(channel);
  if (terms.alias !== undefined && points.has(terms.alias)) return points.get(terms.alias);
  return {};
}
