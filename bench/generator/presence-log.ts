import { MessageSink, Subscriber } from './subscriber';

const PREFIX = '{"event":"hotsock.member';
const ADDED = 'A'.charCodeAt(0);
const REMOVED = 'R'.charCodeAt(0);
const USER = Buffer.from('"member":{"uid":"user-');
/** The member stands before the list, so it is never far from the beginning. */
const HEAD_BYTES = 200;
const DIGIT_0 = 0x30;

/** Changes of one kind, each of which every subscriber must hear of once. */
export class Changes {
  total = 0;
  distinct = 0;
  private readonly heard = new WeakMap<Subscriber, Set<number>>();
  private expected = Infinity;
  private onReached: () => void = () => undefined;

  get duplicates(): number {
    return this.total - this.distinct;
  }

  /** Calls `onReached` in the moment in which so many have been heard in total. */
  expect(total: number, onReached: () => void): void {
    this.expected = total;
    this.onReached = onReached;
  }

  add(subscriber: Subscriber, user: number): void {
    const heard = this.heard.get(subscriber) ?? new Set();
    this.heard.set(subscriber, heard);
    this.total++;
    if (!heard.has(user)) this.distinct++;
    heard.add(user);
    if (this.total === this.expected) this.onReached();
  }
}

/** Counts member events by looking at their first bytes only: a list of a thousand members is not parsed. */
export class PresenceLog implements MessageSink {
  readonly added = new Changes();
  readonly removed = new Changes();

  message(): void {
    throw new Error('nobody publishes in this scenario');
  }

  other(subscriber: Subscriber, buffer: Buffer, start: number, end: number): boolean {
    if (end - start < PREFIX.length || buffer.toString('latin1', start, start + PREFIX.length) !== PREFIX) return false;
    const kind = buffer[start + PREFIX.length];
    const head = buffer.subarray(start, Math.min(end, start + HEAD_BYTES));
    const at = head.indexOf(USER);
    if (at < 0) throw new Error('a member event without a member');
    let user = 0;
    for (let i = at + USER.length; ; i++) {
      const digit = (head[i] ?? 0) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      user = user * 10 + digit;
    }
    if (kind === ADDED) this.added.add(subscriber, user);
    else if (kind === REMOVED) this.removed.add(subscriber, user);
    return true;
  }
}
