import type { DeliverRecord } from '@hearth/wire';
import { changeOf, type MemberChange, toldOf } from './member-changes';

/** A member's changes are told that far apart; so nobody is told of one more than four times a second (limits §5). */
const GATHER_MS = 250;

interface Gathered {
  readonly record: DeliverRecord;
  readonly change: MemberChange;
}

interface Gathering {
  /** Kinds of changes that have been told since it began, at most one of each. */
  readonly kinds: Set<string>;
  readonly sinceMs: number;
  readonly gathered: Gathered[];
  /** Of `told`, when the first of them was gathered. */
  toldBefore: number;
}

/**
 * Slows down members of one presence channel that come and go: a change is told at once, and further ones of another kind;
 * one of a kind that was told just now is told later, together with whatever follows, and not at all when they have undone
 * each other.
 */
export class MemberGathering {
  private readonly members = new Map<string, Gathering>();
  /** How often anybody has been told a list: one that holds a change must be followed by one that does not. */
  private told = 0;

  /** @param tell tells all subscribers that came before a record */
  constructor(private readonly tell: (records: readonly DeliverRecord[]) => void) {}

  /** Somebody has been told a list. */
  hasTold(): void {
    this.told++;
  }

  /** @returns whether the change is told later */
  take(record: DeliverRecord): boolean {
    const change = changeOf(record.frame);
    const gathering = this.members.get(change.uid);
    if (gathering === undefined) {
      this.told++;
      this.begin(change.uid, [change.event]);
      return false;
    }
    if (gathering.gathered.length === 0 && !gathering.kinds.has(change.event)) {
      this.told++;
      gathering.kinds.add(change.event);
      return false;
    }
    if (gathering.gathered.length === 0) gathering.toldBefore = this.told;
    gathering.gathered.push({ record, change });
    return true;
  }

  /** Nothing more is told of what was gathered. */
  drop(): void {
    this.members.clear();
  }

  /** @param kinds of changes of the member that have just been told */
  private begin(uid: string, kinds: readonly string[]): void {
    const gathering = { kinds: new Set(kinds), sinceMs: performance.now(), gathered: [], toldBefore: this.told };
    this.members.set(uid, gathering);
    this.endLater(uid, gathering);
  }

  /** As much later as changes have been told. */
  private endLater(uid: string, gathering: Gathering): void {
    const waitMs = gathering.sinceMs + GATHER_MS * Math.max(1, gathering.kinds.size) - performance.now();
    setTimeout(() => {
      if (this.members.get(uid) !== gathering) return;
      const isOver = performance.now() - gathering.sinceMs >= GATHER_MS * gathering.kinds.size;
      if (isOver) this.end(uid, gathering);
      else this.endLater(uid, gathering);
    }, waitMs).unref();
  }

  private end(uid: string, { gathered, toldBefore }: Gathering): void {
    this.members.delete(uid);
    const last = gathered.at(-1);
    if (last === undefined) return;
    const told = toldOf(gathered.map(({ change }) => change));
    const all = told.flatMap((index) => gathered[index] ?? []);
    // Others have been told a list with what was undone since.
    if (all.length === 0 && this.told > toldBefore) all.push(last);
    this.begin(
      uid,
      all.map(({ change }) => change.event),
    );
    if (all.length === 0) return;
    this.told++;
    this.tell(all.map(({ record }) => record));
  }
}
