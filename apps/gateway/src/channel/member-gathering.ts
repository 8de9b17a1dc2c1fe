import { TokenBucket } from '@hearth/limits';
import { type MemberEvent, memberFrame } from '@hearth/protocol';
import type { DeliverRecord } from '@hearth/wire';
import { changeOf, decidingOf, type MemberChange, membersJsonOf, toldOf } from './member-changes';

/** Changes of a member that come later than this after the one before are told at once. */
const GATHER_MS = 250;
/**
 * Of those that come sooner so many are told at once, too, where that costs little; so many can be saved up. No person comes
 * and goes more often, and no client that loses its connection again and again.
 */
const AT_ONCE = { perSecond: 4, burst: 50 };
/** What a change costs, all subscribers together: one that is written to many, each with the list of all, counts as several. */
const CHEAP_BYTES = 16_384;
/** Then those are forgotten that have everything saved up. */
const MOST_MEMBERS = 1_000;
/** Changes of one member that are kept; then those that decide nothing are left out. */
const MOST_KEPT = 16;
const NO_FRAME = Buffer.alloc(0);

interface Told {
  readonly bucket: TokenBucket;
  /** The last change of it, by `performance.now()`. */
  atMs: number;
}

interface Gathered {
  /** Without its frame, which may hold a lot. */
  readonly record: DeliverRecord;
  readonly change: MemberChange;
}

/**
 * Slows down members of one presence channel that come and go all the time (limits §5): what they do is gathered, and told
 * as far as it was not undone, with the list as it is then.
 */
export class MemberGathering {
  private readonly told = new Map<string, Told>();
  private readonly gathered = new Map<string, Gathered[]>();
  /** The frame with the newest list, while something is gathered. */
  private newest: Uint8Array = NO_FRAME;

  /** @param tell tells all subscribers that came before a record */
  constructor(
    private readonly channel: string,
    private readonly tell: (records: readonly DeliverRecord[]) => void,
  ) {}

  /** @returns whether the change is told later, to so many subscribers */
  take(record: DeliverRecord, subscribers: number): boolean {
    const change = changeOf(record.frame);
    const gathered = this.gathered.get(change.uid);
    if (gathered !== undefined) this.keep(gathered, record, change);
    else if (!this.mayTell(change.uid, record.frame.length * subscribers)) this.begin(record, change);
    if (this.gathered.size > 0) this.newest = record.frame;
    return this.gathered.has(change.uid);
  }

  /** Nothing more is told of what was gathered. */
  drop(): void {
    this.gathered.clear();
    this.newest = NO_FRAME;
  }

  private begin(record: DeliverRecord, change: MemberChange): void {
    const gathered: Gathered[] = [];
    this.gathered.set(change.uid, gathered);
    this.keep(gathered, record, change);
    this.endLater(change.uid, GATHER_MS);
  }

  private keep(gathered: Gathered[], record: DeliverRecord, change: MemberChange): void {
    gathered.push({ record: { ...record, frame: NO_FRAME }, change });
    if (gathered.length < MOST_KEPT) return;
    const deciding = decidingOf(gathered.map((one) => one.change)).flatMap((index) => gathered[index] ?? []);
    gathered.splice(0, gathered.length, ...deciding);
  }

  private mayTell(uid: string, bytes: number): boolean {
    const nowMs = performance.now();
    const cost = Math.min(AT_ONCE.burst, Math.max(1, bytes / CHEAP_BYTES));
    const told = this.told.get(uid) ?? this.firstTold(uid, nowMs);
    const isAlone = nowMs - told.atMs >= GATHER_MS;
    told.atMs = nowMs;
    if (!isAlone && told.bucket.waitMs(AT_ONCE, cost, nowMs) > 0) return false;
    told.bucket.take(AT_ONCE, cost, nowMs);
    return true;
  }

  private firstTold(uid: string, nowMs: number): Told {
    if (this.told.size >= MOST_MEMBERS) this.forgetFull(nowMs);
    const told = { bucket: new TokenBucket(AT_ONCE, nowMs), atMs: -Infinity };
    this.told.set(uid, told);
    return told;
  }

  private forgetFull(nowMs: number): void {
    for (const [uid, { bucket }] of this.told) if (bucket.isFull(AT_ONCE, nowMs)) this.told.delete(uid);
    if (this.told.size >= MOST_MEMBERS) this.told.clear();
  }

  private forgetNewest(): void {
    if (this.gathered.size === 0) this.newest = NO_FRAME;
  }

  private endLater(uid: string, ms: number): void {
    setTimeout(() => this.end(uid), ms).unref();
  }

  private end(uid: string): void {
    const gathered = this.gathered.get(uid) ?? [];
    this.gathered.delete(uid);
    const last = gathered.at(-1);
    if (last === undefined) return this.forgetNewest();
    const told = toldOf(gathered.map(({ change }) => change));
    // What others were told meanwhile may have had it in the list.
    const all = told.length === 0 ? [last] : told.flatMap((index) => gathered[index] ?? []);
    this.gathered.set(uid, []);
    this.endLater(uid, GATHER_MS * all.length);
    const list = membersJsonOf(this.newest);
    this.tell(
      all.map(({ record, change: { event, memberJson } }) => ({
        ...record,
        frame: Buffer.from(memberFrame(event as MemberEvent, this.channel, memberJson, list), 'utf8'),
      })),
    );
  }
}
