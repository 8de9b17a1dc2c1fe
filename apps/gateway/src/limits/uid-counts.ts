/** What one gateway tells the others of the connections of each user. */
export interface UidReport {
  /** Names the run of a gateway's process. */
  readonly from: string;
  /** Rises by one with each report of a run. */
  readonly number: number;
  /** How many connections a user has there now; 0 when the last has ended. */
  readonly counts: readonly (readonly [uid: string, count: number])[];
  /** It does not know what others have, or has missed some of it: they tell everything again. */
  readonly asks?: true;
  /** It ends, and has none any more. */
  readonly leaves?: true;
}

interface Other {
  number: number;
  heardAtMs: number;
  readonly counts: Map<string, number>;
}

/** A gateway of which nothing was heard for so long has no connections any more. */
const FORGOTTEN_MS = 10_000;
/** Users in one report: with the longest names, 512 KiB at most. */
const COUNTS_AT_ONCE = 1_000;

/** Connections of each user, on this gateway and on all others as far as they have told (limits §2). */
export class UidCounts {
  private readonly own = new Map<string, number>();
  /** Whose count the others do not know as it is. */
  private readonly changed = new Set<string>();
  private readonly others = new Map<string, Other>();
  /** Of all others together. */
  private readonly elsewhere = new Map<string, number>();
  private number = 0;
  private mustAsk = true;

  /** @param from names this run */
  constructor(private readonly from: string) {}

  /** Connections of a user on all gateways. */
  of(uid: string): number {
    return (this.own.get(uid) ?? 0) + (this.elsewhere.get(uid) ?? 0);
  }

  /** A connection of a user has begun here, or ended. */
  change(uid: string, by: 1 | -1): void {
    add(this.own, uid, by);
    this.changed.add(uid);
  }

  /** What the others are to be told now; at least one report, so that they know that it is there. */
  takeReports(): UidReport[] {
    const reports: UidReport[] = [];
    const uids = [...this.changed];
    this.changed.clear();
    for (let at = 0; at === 0 || at < uids.length; at += COUNTS_AT_ONCE) {
      const counts = uids.slice(at, at + COUNTS_AT_ONCE).map((uid) => [uid, this.own.get(uid) ?? 0] as const);
      reports.push({ from: this.from, number: ++this.number, counts, asks: this.mustAsk || undefined });
      this.mustAsk = false;
    }
    return reports;
  }

  /** Whether there is something to tell. */
  get hasNews(): boolean {
    return this.mustAsk || this.changed.size > 0;
  }

  farewell(): UidReport {
    return { from: this.from, number: ++this.number, counts: [], leaves: true };
  }

  /** What was said meanwhile may not have been heard, on either side. */
  lostTouch(): void {
    this.mustAsk = true;
    this.tellAll();
  }

  /** @param nowMs of a monotonic clock */
  take(report: UidReport, nowMs: number): void {
    if (report.from === this.from) return;
    if (report.asks === true) this.tellAll();
    if (report.leaves === true) return this.forget(report.from);
    let other = this.others.get(report.from);
    // A gap: what was missed is told again, with everything else.
    if (report.number !== (other?.number ?? 0) + 1) this.mustAsk = true;
    if (other === undefined) this.others.set(report.from, (other = { number: 0, heardAtMs: nowMs, counts: new Map() }));
    other.number = report.number;
    other.heardAtMs = nowMs;
    for (const [uid, count] of report.counts) {
      const by = count - (other.counts.get(uid) ?? 0);
      add(other.counts, uid, by);
      add(this.elsewhere, uid, by);
    }
  }

  /** Until now nobody could be heard: who was silent need not be dead. */
  couldNotHear(nowMs: number): void {
    for (const other of this.others.values()) other.heardAtMs = nowMs;
  }

  /** Forgets gateways that have died. */
  sweep(nowMs: number): void {
    for (const [from, { heardAtMs }] of this.others) if (nowMs - heardAtMs > FORGOTTEN_MS) this.forget(from);
  }

  private tellAll(): void {
    for (const uid of this.own.keys()) this.changed.add(uid);
  }

  private forget(from: string): void {
    for (const [uid, count] of this.others.get(from)?.counts ?? []) add(this.elsewhere, uid, -count);
    this.others.delete(from);
  }
}

function add(counts: Map<string, number>, uid: string, by: number): void {
  const count = (counts.get(uid) ?? 0) + by;
  if (count > 0) counts.set(uid, count);
  else counts.delete(uid);
}
