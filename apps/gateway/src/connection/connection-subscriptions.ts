import type { Attendance } from '../attendance/attendance';
import type { Seen } from '../channel/intake';
import type { WorkTurns } from '../limits/work-turns';
import { ResumeRights } from '../resume/resume-rights';
import { Subscription } from './subscription';

/** Subscriptions that end together: some milliseconds of work. */
export const CLEARED_AT_ONCE = 64;
const NO_ALIASES: ReadonlyMap<string, string> = new Map();

/** The subscriptions of one connection. Most have few, so nothing is made before it is needed. */
export class Subscriptions {
  private byChannel: Map<string, Subscription> | undefined;
  /** Some may have been made with tokens of their own. */
  hasTokens = false;
  private realNames: Map<string, string> | undefined;

  constructor(
    private readonly rights: ResumeRights,
    private readonly attendance: Attendance,
  ) {}

  get all(): readonly Subscription[] {
    return [...(this.byChannel?.values() ?? [])];
  }

  get count(): number {
    return this.byChannel?.size ?? 0;
  }

  /** Aliases of the subscriptions, to their real names; of several with one alias, that of the newest. */
  get aliases(): ReadonlyMap<string, string> {
    return this.realNames ?? NO_ALIASES;
  }

  /** @param channel real name */
  get(channel: string): Subscription | undefined {
    return this.byChannel?.get(channel);
  }

  /**
   * Begins a subscription.
   *
   * @param welcome sends what comes before the channel's messages
   * @param seen the last message that a resuming client has seen
   */
  add(subscription: Subscription, welcome: () => void, seen?: Seen): void {
    this.register(subscription);
    subscription.channel.add(subscription, welcome, seen);
  }

  /** Begins a subscription that becomes a subscriber of its channel when it has got what it missed. */
  register(subscription: Subscription): void {
    const { channel, alias, identity, subscribedAtMs } = subscription;
    channel.subscriptions.change(subscription.counted, 1);
    if (subscription.token !== undefined) this.hasTokens = true;
    (this.byChannel ??= new Map()).set(channel.name, subscription);
    if (alias !== undefined) (this.realNames ??= new Map()).set(alias, channel.name);
    this.rights.entered(identity.uid, channel.intake, subscribedAtMs);
    this.attendance.began(subscription);
  }

  /** Ends a subscription; nothing of its channel is sent after this. */
  remove(subscription: Subscription): void {
    const { channel, alias, identity } = subscription;
    subscription.isActive = false;
    channel.subscriptions.change(subscription.counted, -1);
    this.byChannel?.delete(channel.name);
    if (alias !== undefined && this.realNames?.get(alias) === channel.name) this.passOn(alias);
    this.rights.left(identity.uid, channel.intake);
    channel.remove(subscription);
    this.attendance.ended(subscription);
  }

  clear(): void {
    this.realNames = undefined;
    for (const subscription of this.byChannel?.values() ?? []) this.remove(subscription);
  }

  /** As `clear`, piece by piece; none may be added any more. */
  clearInTurns(turns: WorkTurns): Promise<void> {
    this.realNames = undefined;
    return turns.each(this.all, CLEARED_AT_ONCE, (some) => {
      for (const subscription of some) if (subscription.isActive) this.remove(subscription);
    });
  }

  /** Lets an alias whose subscription has ended stand for the newest that is left with it, if there is one. */
  private passOn(alias: string): void {
    const heir = this.all.findLast((subscription) => subscription.alias === alias);
    if (heir === undefined) this.realNames?.delete(alias);
    else this.realNames?.set(alias, heir.channel.name);
  }
}
