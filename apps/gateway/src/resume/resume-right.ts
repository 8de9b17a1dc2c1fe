import { installationNow } from '@hearth/timing';
import { firstIdOf, idTimeMs } from '@hearth/protocol';
import { comparePositions, Position } from '@hearth/wire';
import type { StoredDeliverRecord } from '@hearth/stream';
import type { ResumeStart } from './resume-token';

/** What a subscriber that resumes may be shown of what came before its subscription (resume §3, "Lower bound"). */
export class ResumeRight {
  /**
   * @param from of its token
   * @param historyStartMs oldest instant that its claims make visible, ms since 1970
   * @param wasShown whether this gateway remembers to have shown its uid the message that it names (resume §5)
   */
  constructor(
    private readonly from: ResumeStart | undefined,
    private readonly historyStartMs: number | undefined,
    private readonly wasShown: boolean,
  ) {}

  /** Whether it may see nothing but what comes from now on. */
  get isNone(): boolean {
    return this.from === undefined && this.historyStartMs === undefined && !this.wasShown;
  }

  /** Whether it may see what follows a message, or a place. Ids decide where no place is known. */
  beginsAt(id: string | undefined, position: Position | undefined): boolean {
    if (this.wasShown || (id !== undefined && this.isInHistory(id))) return true;
    const { from } = this;
    if (from === undefined) return false;
    if (from.position === undefined) return id === undefined || idTimeMs(id) >= from.atMs;
    if (position !== undefined) return comparePositions(position, from.position) >= 0;
    return id !== undefined && id >= this.firstId;
  }

  sees({ record, sequence }: StoredDeliverRecord, streamCreatedMs: number): boolean {
    if (this.wasShown || this.isInHistory(record.id)) return true;
    const { from } = this;
    if (from === undefined) return false;
    if (from.position !== undefined) return comparePositions(record.position, from.position) > 0;
    if (from.streamCreatedMs === streamCreatedMs) return sequence > from.streamSequence;
    return idTimeMs(record.id) >= from.atMs;
  }

  /** Stored messages with greater ids may be shown. */
  get firstId(): string {
    if (this.wasShown) return '';
    const { from, historyStartMs } = this;
    const ids = [
      from === undefined ? undefined : (from.id ?? firstIdOf(from.atMs)),
      historyStartMs === undefined ? undefined : firstIdOf(historyStartMs),
    ];
    return ids.filter((id) => id !== undefined).sort()[0] ?? firstIdOf(installationNow());
  }

  private isInHistory(id: string): boolean {
    return this.historyStartMs !== undefined && idTimeMs(id) >= this.historyStartMs;
  }
}
