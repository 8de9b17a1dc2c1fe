import type { UnsavedChanges } from '@hearth/channels';
import { InvariantBroken } from '@hearth/runtime';
import { FencedError, FencedPosition, PartitionState, type RefusedRow } from '@hearth/store';
import type { DeliverMark, IngestPosition } from '@hearth/stream';
import type { OperationReply } from '@hearth/wire';
import { installationNow } from '@hearth/timing';
import { setTimeout as delay } from 'node:timers/promises';
import { type LaneChanges, Lanes } from './lanes';
import type { Answer, ChannelOperations } from './channel-operations';
import { REFUSED } from './commit-durable';
import type { EventOutbox, OfferedEvent } from './event-outbox';
import type { Duplicates } from './group-commit';
import type { PartitionHost } from './partition-host';
import type { Sequenced } from './sequencing';

/** A point from which the partition can be processed again with the same outcome. */
export interface Checkpoint {
  readonly position: IngestPosition;
  readonly markMs: number;
  /** How far each publisher had come, as a change of the checkpoint before. */
  readonly lanes: LaneChanges;
}

/** What is behind a checkpoint that has been reached. */
export interface Reached {
  readonly changes?: UnsavedChanges;
  readonly answers: readonly Answer[];
  readonly events?: readonly OfferedEvent[];
  /** A place of the deliver stream that holds a record from before the checkpoint, and the life of the stream that it is of. */
  readonly delivered?: { readonly created: string | undefined; readonly sequence: number };
}

/** A place of the deliver stream that had a record from up to a position; place 0: it had none yet in this life. */
export interface SafeMark extends DeliverMark {
  readonly through: IngestPosition;
}

const RETRY_MS = 250;

/**
 * How far the next owner of a partition need not go back, and what the database does not know yet of the way there.
 *
 * Everything before the safe position has been fanned out and confirmed. It is saved together with what operations have
 * changed up to it, so that the database always holds the state of the channels as of the saved position; whoever waits
 * for that is answered then.
 */
export class SavedPosition {
  private current: Pick<Checkpoint, 'position' | 'markMs'>;
  /** How far each publisher had come by then. */
  private readonly lanes: Lanes;
  private written: IngestPosition;
  private deliverCreated: string | undefined;
  private mark: SafeMark | undefined;
  private unsureMs: number | undefined;
  /** What has become of the channels between the saved position and the safe one. */
  private unsaved: UnsavedChanges | undefined;
  /** Operations whose effects are safe but not saved yet. */
  private answers: Answer[] = [];
  /** The commit or save under way: one at a time, so that positions reach the database in order. */
  private writing: Promise<unknown> = Promise.resolve();
  private isSaving = false;
  private isStopped = false;

  constructor(
    private readonly host: PartitionHost,
    private readonly claim: PartitionState,
    private readonly operations: Pick<ChannelOperations, 'saved'>,
    private readonly outbox: EventOutbox,
    /** Called when another worker has taken the partition. */
    private readonly onFenced: () => void,
  ) {
    const { streamEpoch: epoch, seq: sequence, streamTime, streamCreated, timeMs: markMs } = claim;
    const { deliverCreated, deliverSeq } = claim;
    const position = { epoch, sequence, timeNs: streamTime ?? '', streamCreated: streamCreated ?? '' };
    if (deliverCreated != null && deliverSeq != null)
      this.mark = { created: deliverCreated, sequence: deliverSeq, through: position };
    // By then the stream has nothing left of that time, and whoever was away for so long begins anew.
    const forgottenMs = installationNow() - host.config.deliverMaxAgeSeconds * 1_000;
    if ((claim.deliverUnsureMs ?? 0) > forgottenMs) this.unsureMs = claim.deliverUnsureMs ?? undefined;
    this.current = { position, markMs };
    this.lanes = new Lanes(claim.lanes);
    this.written = position;
  }

  /** As the database has it. */
  get saved(): IngestPosition {
    return this.written;
  }

  /** Up to which everything has been fanned out and confirmed. */
  get safe(): IngestPosition {
    return this.current.position;
  }

  /** When the deliver stream was created that records go to; `undefined` while that has to be looked at. */
  get deliverLife(): string | undefined {
    return this.deliverCreated;
  }

  /** Where the deliver stream is known to have had a record. */
  get deliverMark(): SafeMark | undefined {
    return this.mark;
  }

  /** Nobody knows what the deliver stream lost before the life that began then, ms since 1970. */
  get unsureBeforeMs(): number | undefined {
    return this.unsureMs;
  }

  /** To be saved with the mark of that life: whoever finds the one knows the other. */
  doubt(beforeMs: number): void {
    this.unsureMs = beforeMs;
  }

  /** @param created as of a look at the deliver stream; `undefined`: it has to be looked at before another place is marked */
  noteDeliverLife(created: string | undefined): void {
    if (created !== undefined && this.mark?.created !== created) {
      this.mark = { created, sequence: 0, through: this.safe };
      // To be saved also where nothing moves, or the next owner takes this life for news.
      this.current = { ...this.current, position: { ...this.safe } };
    }
    this.deliverCreated = created;
  }

  /** As the database takes it. */
  get fenced(): FencedPosition {
    const { position, markMs } = this.current;
    return {
      partition: this.claim.partition,
      fencingToken: this.claim.fencingToken,
      streamEpoch: position.epoch,
      seq: position.sequence,
      timeMs: markMs,
      streamTime: position.timeNs === '' ? null : position.timeNs,
      streamCreated: position.streamCreated === '' ? null : position.streamCreated,
      lanes: this.lanes.toString(),
      deliverCreated: this.mark?.created,
      deliverSeq: this.mark?.sequence,
      deliverUnsureMs: this.unsureMs,
    };
  }

  /** Moves the safe position on, and saves it soon if somebody waits for what has been reached or may want to read it. */
  advance(checkpoint: Checkpoint, { changes, answers, events = [], delivered }: Reached): void {
    const { position: before, markMs } = this.current;
    const { position: next } = checkpoint;
    if (next.epoch < before.epoch || (next.epoch === before.epoch && next.sequence < before.sequence)) {
      const places = [next, before].map(({ epoch, sequence }) => `${epoch}:${sequence}`);
      throw new InvariantBroken('position-rises', places.join(' after '));
    }
    if (checkpoint.markMs < markMs) throw new InvariantBroken('mark-rises', `${checkpoint.markMs} after ${markMs}`);
    this.current = checkpoint;
    this.lanes.follow(checkpoint.lanes);
    // What was confirmed before the stream was made anew says nothing of the one that there is.
    if (delivered?.created !== undefined && delivered.created === this.deliverCreated)
      this.mark = { created: delivered.created, sequence: delivered.sequence, through: checkpoint.position };
    if (changes !== undefined) {
      if (this.unsaved === undefined) this.unsaved = changes;
      else this.unsaved.add(changes);
    }
    this.answers.push(...answers);
    this.outbox.pass(events);
    if (changes !== undefined || answers.length > 0) this.saveSoon();
  }

  /**
   * Writes to Postgres, in one transaction: what is durable of a batch, and the safe position with all that is not saved
   * before it.
   *
   * @returns the duplicates
   * @throws FencedError when another worker owns the partition
   */
  write(durable: readonly Sequenced[]): Promise<Duplicates> {
    const written = this.writing.then(() => this.writeNow(durable));
    this.writing = written.catch(() => undefined);
    return written;
  }

  /** Writes the position down if it moved. */
  async save(): Promise<void> {
    const hasMoved = this.current.position !== this.written;
    if (hasMoved || this.unsaved !== undefined || this.outbox.hasChanges) await this.saveNow();
  }

  /** Saves nothing by itself from now on. */
  stop(): void {
    this.isStopped = true;
  }

  /** Tells who asked what became of it. */
  answer({ to, refusal, placed, afterEvents }: Answer): void {
    const reply: OperationReply = refusal === undefined ? { done: true, placed } : { error: refusal };
    const send = (): void => this.host.stream.tell(to, JSON.stringify(reply));
    if (afterEvents) this.outbox.told(send);
    else send();
  }

  private async writeNow(durable: readonly Sequenced[]): Promise<Duplicates> {
    const { fenced, unsaved, answers } = this;
    const { position } = this.current;
    const events = this.outbox.take();
    this.unsaved = undefined;
    this.answers = [];
    try {
      const { duplicates, refused } = await this.host.groupCommit.commit(durable, fenced, unsaved?.toRows(), events);
      if (events !== undefined) this.outbox.saved(events);
      if (unsaved !== undefined) this.operations.saved(unsaved);
      this.written = position;
      for (const one of refused) this.tellRefused(one);
      for (const answer of answers) {
        const isRefused = refused.some(({ row }) => concerns(row, answer));
        this.answer(isRefused ? { ...answer, refusal: REFUSED } : answer);
      }
      return duplicates;
    } catch (error) {
      if (events !== undefined) this.outbox.putBack(events);
      if (unsaved !== undefined) {
        if (this.unsaved !== undefined) unsaved.add(this.unsaved);
        this.unsaved = unsaved;
      }
      this.answers = [...answers, ...this.answers];
      throw error;
    }
  }

  private tellRefused({ table, row, error: err }: RefusedRow): void {
    const { metrics, logger } = this.host;
    metrics.refusedByDatabase.of(table).inc();
    const { partition } = this.claim;
    logger.error({ partition, table, ...namesIn(row), err }, 'Postgres refuses a change, which is left out');
  }

  private async saveNow(): Promise<void> {
    try {
      await this.write([]);
    } catch (error) {
      if (error instanceof FencedError) return this.onFenced();
      throw error;
    }
  }

  private saveSoon(): void {
    if (this.isSaving || this.isStopped) return;
    this.isSaving = true;
    void this.saveWhileNeeded().finally(() => (this.isSaving = false));
  }

  private async saveWhileNeeded(): Promise<void> {
    while (!this.isStopped && (this.unsaved !== undefined || this.answers.length > 0)) {
      try {
        await this.saveNow();
      } catch (error) {
        const { partition } = this.claim;
        this.host.logger.warn({ partition, err: error }, 'channel state not saved, trying again');
        await delay(RETRY_MS);
      }
    }
  }
}

/** By these, rows and operations say what they are of. */
const NAMES = ['channel', 'key', 'scheduleId', 'connectionId', 'messageId'] as const;
type Names = Partial<Record<(typeof NAMES)[number], unknown>>;

function namesIn(row: Names): Names {
  return Object.fromEntries(NAMES.flatMap((name) => (name in row ? [[name, row[name]]] : [])));
}

/** Whether a row may have to do with what somebody waits for an answer to. */
function concerns(row: Names, { operation }: Answer): boolean {
  const asked = (operation ?? {}) as Names;
  const shared = NAMES.filter((name) => name in row && name in asked);
  return shared.length > 0 && shared.every((name) => row[name] === asked[name]);
}
