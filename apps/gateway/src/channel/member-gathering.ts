import { TokenBucket } from '@hearth/limits';
import { type MemberEvent, memberFrame } from '@hearth/protocol';
import type { DeliverRecord } from '@hearth/wire';
import { changeOf, type MemberChange, membersJsonOf, toldOf } from './member-changes';

/**
 * Changes of one member that are told at once; so many can be saved up. No person comes and goes more often, and no client
 * that loses its connection again and again.
 */
const AT_ONCE = { perSecond: 4, burst: 50 };
/** Further ones are told together, that much later for each that was told last: so four times a second at most. */
const GATHER_MS = 250;
/** Then those are forgotten that have everything saved up. */
const MOST_MEMBERS = 1_000;

interface Gathered {
  readonly record: DeliverRecord;
  readonly change: MemberChange;
}

/**
 * Slows down members of one presence channel that come and go all the time (limits §5): what they do is gathered, and told
 * as far as it was not undone, with the list as it is then.
 */
export class MemberGathering {
  private readonly buckets = new Map<string, TokenBucket>();
  private readonly gathered = new Map<string, Gathered[]>();
  /** The frame with the newest list. */
  private newest: Uint8Array = new Uint8Array();

  /** @param tell tells all subscribers that came before a record */
  constructor(
    private readonly channel: string,
    private readonly tell: (records: readonly DeliverRecord[]) => void,
  ) {}

  /** @returns whether the change is told later */
  take(record: DeliverRecord): boolean {
    const change = changeOf(record.frame);
    this.newest = record.frame;
    const gathered = this.gathered.get(change.uid);
    if (gathered !== undefined) return gathered.push({ record, change }) > 0;
    if (this.takeToken(change.uid)) return false;
    this.gathered.set(change.uid, [{ record, change }]);
    this.endLater(change.uid, GATHER_MS);
    return true;
  }

  /** Nothing more is told of what was gathered. */
  drop(): void {
    this.gathered.clear();
  }

  private takeToken(uid: string): boolean {
    const nowMs = performance.now();
    let bucket = this.buckets.get(uid);
    if (bucket === undefined) {
      if (this.buckets.size >= MOST_MEMBERS) this.forgetFull(nowMs);
      this.buckets.set(uid, (bucket = new TokenBucket(AT_ONCE, nowMs)));
    }
    if (bucket.waitMs(AT_ONCE, 1, nowMs) > 0) return false;
    bucket.take(AT_ONCE, 1, nowMs);
    return true;
  }

  private forgetFull(nowMs: number): void {
    for (const [uid, bucket] of this.buckets) if (bucket.isFull(AT_ONCE, nowMs)) this.buckets.delete(uid);
    if (this.buckets.size >= MOST_MEMBERS) this.buckets.clear();
  }

  private endLater(uid: string, ms: number): void {
    setTimeout(() => this.end(uid), ms).unref();
  }

  private end(uid: string): void {
    const gathered = this.gathered.get(uid) ?? [];
    this.gathered.delete(uid);
    const last = gathered.at(-1);
    if (last === undefined) return;
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
