import { LATE_MS, p99 } from './punctuality';
import type { Column, Figure, RoundResult } from './round';

/** What each column is called, in the order of the table. */
const COLUMNS: Readonly<Record<Column, string>> = {
  lost: 'lost',
  phantom: 'phantom',
  duplicate: 'duplicate, live',
  repeated: 'duplicate, on resume',
  inverted: 'inverted',
  disagreeing: 'disagreeing',
  leaked: 'leaked',
  early: 'schedules early',
  ghosts: 'ghosts at rest',
  eventsLost: 'events lost',
  eventsInverted: 'events inverted',
  stuck: 'did not recover within 60 s',
  ended: 'processes that ended by themselves',
  unexpected: 'answers that nothing explains',
};

const columns = Object.keys(COLUMNS) as Column[];

/** Adds up the rounds of a run; its size does not grow with them, but for a number per schedule. */
export class RunTable {
  private readonly counts = new Map<Column, number>();
  private readonly told = new Map<Figure, number>();
  private readonly latenessMs: number[] = [];
  private readonly recoveryMs = new Map<string, number>();
  private rounds = 0;

  /** Whether a round broke no promise, lateness aside, which is one of many rounds. */
  static isSpotless({ counts }: RoundResult): boolean {
    return columns.every((column) => counts[column] === 0);
  }

  /** A round in one line. */
  static line(result: RoundResult): string {
    const { counts, told } = result;
    const broken = columns
      .filter((column) => counts[column] > 0)
      .map((column) => `${COLUMNS[column]} ${counts[column]}`);
    return `${told.faults} faults, ${told.acked} acked, ${told.deliveries} deliveries; ${broken.join(', ') || 'nothing broken'}`;
  }

  add({ counts, told, latenessMs, recoveryMs }: RoundResult): void {
    this.rounds++;
    for (const column of columns) this.counts.set(column, (this.counts.get(column) ?? 0) + counts[column]);
    for (const [figure, count] of Object.entries(told) as [Figure, number][]) {
      this.told.set(figure, (this.told.get(figure) ?? 0) + count);
    }
    for (const ms of latenessMs) this.latenessMs.push(ms);
    for (const [fault, ms] of recoveryMs) this.recoveryMs.set(fault, Math.max(this.recoveryMs.get(fault) ?? 0, ms));
  }

  /** Events that had not come when the run was over. */
  addMissing(missing: readonly string[]): void {
    this.counts.set('eventsLost', (this.counts.get('eventsLost') ?? 0) + missing.length);
  }

  get isSpotless(): boolean {
    return this.rounds > 0 && columns.every((column) => this.counts.get(column) === 0) && !this.isLate;
  }

  text(): string {
    const lines = columns.map((column) => row(COLUMNS[column], this.counts.get(column) ?? 0));
    const late = row(
      `schedules late, p99 of ${this.latenessMs.length}, ms (at most ${LATE_MS})`,
      Math.round(p99(this.latenessMs)),
    );
    const told = [...this.told].map(([figure, count]) => `${count} ${figure}`).join(', ');
    const slowest = [...this.recoveryMs].sort(([, a], [, b]) => b - a).slice(0, 5);
    const recoveries = slowest.map(([fault, ms]) => `${fault} ${ms} ms`).join(', ');
    return [...lines, late, `${this.rounds} rounds: ${told}`, `slowest recoveries: ${recoveries}`].join('\n');
  }

  private get isLate(): boolean {
    return p99(this.latenessMs) > LATE_MS;
  }
}

const row = (name: string, value: number): string => `${name.padEnd(48)} ${String(value).padStart(8)}`;
