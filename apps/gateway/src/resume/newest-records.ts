import { comparePositions, DeliverRecord, Position } from '@hearth/wire';

/** The newest of the records that are added, in the order of their places, within limits. */
export class NewestRecords {
  private records: DeliverRecord[] = [];
  private frameBytes = 0;
  /** Of those that found no room, the last. */
  private dropped: Position | undefined;

  constructor(
    private readonly maxRecords: number,
    private readonly maxBytes: number,
  ) {}

  get all(): readonly DeliverRecord[] {
    return this.records;
  }

  /** Of their frames. */
  get bytes(): number {
    return this.frameBytes;
  }

  /** Records come in any order, but mostly in that of their places; one that is there is not added again. */
  add(record: DeliverRecord): void {
    const { position } = record;
    if (this.hasDroppedAfter(position) || this.isLastDropped(position)) return;
    let index = this.records.length;
    while (index > 0 && this.compare(index - 1, position) > 0) index--;
    if (index > 0 && this.compare(index - 1, position) === 0) return;
    this.records.splice(index, 0, record);
    this.frameBytes += record.frame.length;
    while (this.records.length > this.maxRecords || this.frameBytes > this.maxBytes) {
      this.dropped = this.dropFirst();
    }
  }

  /** Forgets those up to a position. */
  forgetThrough(position: Position): void {
    while (this.records.length > 0 && this.compare(0, position) <= 0) this.dropFirst();
  }

  /** Whether a record from behind the position found no room. */
  hasDroppedAfter(position: Position): boolean {
    return this.dropped !== undefined && comparePositions(this.dropped, position) > 0;
  }

  private isLastDropped(position: Position): boolean {
    return this.dropped !== undefined && comparePositions(this.dropped, position) === 0;
  }

  private dropFirst(): Position | undefined {
    const first = this.records.shift();
    this.frameBytes -= first?.frame.length ?? 0;
    return first?.position;
  }

  private compare(index: number, position: Position): number {
    const record = this.records[index];
    return record === undefined ? 0 : comparePositions(record.position, position);
  }
}
