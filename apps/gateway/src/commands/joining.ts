import { ProtocolError } from '@hearth/protocol';
import type { Channel } from '../channel/channel';
import { Hub } from '../channel/hub';
import { historyStartMs } from '../connection/permissions';
import { Missed, Resume } from '../resume/resume';
import { AllowedSubscription } from '../connection/subscription';
import { Tokens } from '../connection/tokens';

/** A channel that a connection can enter in this very moment. One of the two functions must be called, once. */
export interface Entrance {
  readonly channel: Channel;
  /** What a resuming client missed up to this moment; `undefined` for one that does not resume. */
  readonly enter: () => Missed | undefined;
  readonly giveUp: () => void;
}

/** What a resuming client asks with. */
export interface Resuming {
  readonly connectionId: string;
  /** Id of the last message that it has seen. */
  readonly after: string;
}

/** What stands between a granted subscription and its beginning. */
export class Joining {
  constructor(
    private readonly hub: Hub,
    private readonly tokens: Tokens,
    private readonly resume: Resume,
  ) {}

  /**
   * Opens the channel, collects what a resuming client missed, and last uses up a single-use token. All of that is
   * nothing for most subscriptions, which get their entrance at once.
   *
   * @param resuming what a resuming client asks with
   * @throws ProtocolError `INVALID_SUBSCRIBE_TOKEN`
   * @throws OutageError; nothing has been used up then
   */
  open(allowed: AllowedSubscription, resuming: Resuming | undefined): Entrance | Promise<Entrance> {
    const channel = this.hub.use(allowed.channel);
    if (!channel.isOpen || allowed.token?.singleUse === true || resuming !== undefined) {
      return this.openLater(channel, allowed, resuming);
    }
    return { channel, enter: () => undefined, giveUp: () => channel.release() };
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
      await channel.opened;
      takeMissed = resuming === undefined ? undefined : await this.collectMissed(channel, allowed, resuming);
      if (allowed.token !== undefined && !(await this.tokens.consume(allowed.token))) {
        throw new ProtocolError('INVALID_SUBSCRIBE_TOKEN', 'data.token: this single-use token has been used');
      }
    } catch (error) {
      giveUp();
      throw error;
    }
    return { channel, enter: () => takeMissed?.(), giveUp };
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
}
