import { listenersOf } from './checks';
import type { MemberEntry } from './frames';
import { both, Listeners } from './listeners';
import type { Member, Off } from './types';

type Change = 'join' | 'leave' | 'update';
type Told = readonly [change: Change, member: Member];

/** What turns one list into the other, and the list with the objects that have not changed. */
export function difference(
  before: readonly Member[],
  after: readonly MemberEntry[],
): { readonly members: readonly Member[]; readonly changes: readonly Told[] } {
  const old = new Map(before.map((member) => [member.uid, member]));
  const changes: Told[] = [];
  const members = after.map(({ uid, umd }) => {
    const was = old.get(uid);
    old.delete(uid);
    if (was !== undefined && JSON.stringify(was.umd) === JSON.stringify(umd ?? null)) return was;
    const member = Object.freeze({ uid, umd: umd ?? null });
    changes.push([was === undefined ? 'join' : 'update', member]);
    return member;
  });
  const left = [...old.values()].map((member): Told => ['leave', member]);
  const isSame = members.length === before.length && members.every((member, index) => member === before[index]);
  return { members: isSame ? before : Object.freeze(members), changes: [...left, ...changes] };
}

/** Who is in a channel (client-library §7). While the connection is lost it shows who was. */
export class PresenceView {
  members!: readonly Member[];
  synced!: boolean;
  private isKnown!: boolean;
  private readonly changed;
  private told!: Readonly<Record<Change, Listeners<Member>>>;

  constructor(
    private readonly hold: () => Off,
    private readonly onError: (error: unknown) => void,
  ) {
    this.changed = new Listeners<void>(onError);
    this.clear();
  }

  subscribe = (onChange: () => void): Off => both(this.changed.add(onChange), this.hold());

  on = (event: Change, listener: (member: Member) => void): Off =>
    both(listenersOf(this.told, event).add(listener), this.hold());

  /** The list as the server has it now. */
  take(entries: readonly MemberEntry[]): void {
    const { members, changes } = difference(this.members, entries);
    const isNews = members !== this.members || !this.synced;
    const wasKnown = this.isKnown;
    this.members = members;
    this.synced = this.isKnown = true;
    if (isNews) this.changed.emit();
    // Who was there before us has not joined.
    if (wasKnown) for (const [change, member] of changes) this.told[change].emit(member);
  }

  lost(): void {
    if (!this.synced) return;
    this.synced = false;
    this.changed.emit();
  }

  clear(): void {
    this.changed.clear();
    const told = () => new Listeners<Member>(this.onError);
    this.told = { join: told(), leave: told(), update: told() };
    this.members = Object.freeze([]);
    this.synced = this.isKnown = false;
  }
}
