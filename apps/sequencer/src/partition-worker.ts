import {
  ConsumerLostError,
  findIngestStart,
  IngestPosition,
  openIngestReader,
  PullConsumer,
  purgeIngest,
  StreamMessage,
} from '@hearth/stream';
import { FencedError, FencedPosition, PartitionState, releasePartition, savePosition } from '@hearth/store';
import { setTimeout as delay } from 'node:timers/promises';
import { FanOut } from './fan-out';
import { isDurable } from './group-commit';
import { SequencedMessage, Sequencing } from './sequencing';
import type { SequencerParts } from './sequencer-parts';

/** Messages of one batch: about 8 ms of Postgres work at most (500 rows). */
const BATCH_MESSAGES = 500;
/** Batches that may be on their way to the deliver stream before the worker waits. */
const UNCONFIRMED_BATCHES = 32;
const RETRY_MS = 250;
/** An ingest stream is shortened by so many messages at once, or when it has been quiet. */
const PURGE_EVERY_MS = 5_000;
/** Longest that backend events may hold back the saved position. */
const EVENTS_PATIENCE_MS = 30_000;

/** A point from which the partition can be processed again with the same outcome. */
interface Checkpoint {
  readonly position: IngestPosition;
  readonly markMs: number;
}

/**
 * Owns one partition: reads its ingest stream in order, gives ids, drops duplicates, appends, fans out.
 *
 * The saved position is that up to which everything has been fanned out and confirmed. After a crash the next owner
 * processes what follows again: ids come out the same, rows and dedup entries are already there, and what the deliver
 * stream holds is not sent twice. So a repeat changes nothing, and nothing has to be remembered between commit and
 * fan-out. A worker that lost its partition without noticing can only repeat the same; its writes to Postgres are
 * fenced by the epoch of its claim.
 */
export class PartitionWorker {
  readonly partition: number;
  private readonly stopped: Promise<void>;
  private stopping = false;
  private reader: PullConsumer | undefined;
  private sequencing: Sequencing;
  /** Read so far. */
  private position: IngestPosition;
  /** Fanned out so far. */
  private safe: Checkpoint;
  private savedSequence: number;
  private purgedSequence = 0;
  private purgedAt = Date.now();
  private busy = false;
  private unconfirmed = 0;
  private confirmations: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: SequencerParts,
    private readonly claim: PartitionState,
    /** Called when another worker has taken the partition. */
    private readonly onFenced: () => void,
  ) {
    this.partition = claim.partition;
    this.position = {
      epoch: claim.streamEpoch,
      sequence: claim.seq,
      timeNs: claim.streamTime ?? '',
      streamCreated: claim.streamCreated ?? '',
    };
    this.sequencing = this.sequencingFrom(this.position, claim.timeMs);
    this.safe = { position: this.position, markMs: claim.timeMs };
    this.savedSequence = claim.seq;
    this.stopped = this.run();
  }

  /** Epoch of the claim; another one means that the partition is someone else's. */
  get epoch(): number {
    return this.claim.epoch;
  }

  /** Whether everything that the stream held has been read and processed. */
  get isIdle(): boolean {
    return this.reader !== undefined && !this.busy && this.unconfirmed === 0;
  }

  /** Time of the stream's clock up to which everything has been processed, ms since 1970. */
  get processedMs(): number {
    return this.safe.position.timeNs === '' ? 0 : Math.floor(Number(this.safe.position.timeNs) / 1_000_000);
  }

  /** Ends after the batch at hand and what it sent, saves the position and gives the partition back. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.reader?.close();
    await this.stopped;
    await Promise.race([this.confirmations, delay(3_000)]);
    await releasePartition(this.parts.database.db, this.partition, this.claim.epoch, this.fenced(this.safe));
  }

  /** Writes the position down if it moved, and drops from the stream what is no longer needed. */
  async save(): Promise<void> {
    const safe = this.safe;
    const { sequence } = safe.position;
    if (sequence !== this.savedSequence || safe.position.streamCreated !== this.claim.streamCreated) {
      try {
        await savePosition(this.parts.database.db, this.fenced(safe));
      } catch (error) {
        if (error instanceof FencedError) return this.fence();
        throw error;
      }
      this.savedSequence = sequence;
    }
    if (sequence > this.purgedSequence && Date.now() - this.purgedAt >= PURGE_EVERY_MS) {
      this.purgedAt = Date.now();
      await purgeIngest(this.parts.stream, this.partition, sequence);
      this.purgedSequence = sequence;
    }
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.readOn();
      } catch (error) {
        if (error instanceof FencedError) return this.fence();
        const expected = error instanceof ConsumerLostError;
        this.parts.logger[expected ? 'debug' : 'warn']({ partition: this.partition, err: error }, 'reading again');
        if (!this.stopping) await delay(RETRY_MS);
      } finally {
        this.reader?.close();
        this.reader = undefined;
      }
    }
  }

  private async readOn(): Promise<void> {
    const { stream, streamSettings, publisher, logger } = this.parts;
    const start = await findIngestStart(stream, this.partition, streamSettings, this.position);
    if (start.epochReason !== undefined) {
      logger.warn({ partition: this.partition, epoch: start.position.epoch }, `new epoch: ${start.epochReason}`);
      // Ids of the new epoch must be greater than all before, although sequences begin again.
      this.sequencing = this.sequencingFrom(start.position, this.sequencing.markMs + 1);
    }
    this.position = start.position;
    const fanOut = await FanOut.open(stream, publisher, streamSettings.deliverMaxAgeSeconds * 1_000);
    this.reader = await openIngestReader(stream, this.partition, start.startAt);
    // `stop` may have been called while there was no reader to close.
    while (!this.stopping) {
      const messages = await this.reader.next(BATCH_MESSAGES);
      if (messages.length === 0) return;
      this.busy = true;
      try {
        await this.process(messages, fanOut);
      } finally {
        this.busy = false;
      }
    }
  }

  private async process(messages: readonly StreamMessage[], fanOut: FanOut): Promise<void> {
    const last = messages.at(-1);
    if (last === undefined) return;
    this.parts.metrics.sequencerLag.of(String(this.partition)).set(last.pending);
    const sequenced = this.sequencing.sequence(messages);
    this.position = { ...this.position, sequence: last.sequence, timeNs: last.timeNs };
    const checkpoint: Checkpoint = { position: this.position, markMs: this.sequencing.markMs };
    const accepted = sequenced.some(isDurable) ? await this.commit(sequenced) : sequenced;
    const { confirmed } = await this.untilDone(() => fanOut.send(accepted));
    this.acknowledge(sequenced);
    const events = this.emitEvents(accepted);
    this.advanceWhen(confirmed, events, checkpoint);
    if (this.unconfirmed >= UNCONFIRMED_BATCHES) await this.confirmations;
  }

  /** Commits what is durable; waits for Postgres for as long as it takes, because order must hold. */
  private async commit(sequenced: readonly SequencedMessage[]): Promise<readonly SequencedMessage[]> {
    const durable = sequenced.filter(isDurable);
    const duplicates = await this.untilDone(() => this.commitOnce(durable));
    if (duplicates.size === 0) return sequenced;
    this.parts.metrics.duplicatesDropped.inc(duplicates.size);
    return sequenced.filter((message) => !duplicates.has(message));
  }

  private async commitOnce(durable: readonly SequencedMessage[]): Promise<ReadonlySet<SequencedMessage>> {
    const { groupCommit, logger } = this.parts;
    try {
      return await groupCommit.commit(durable, this.fenced(this.safe));
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only, ...others] = durable;
      if (only !== undefined && others.length === 0) {
        // The door lets nothing through that Postgres refuses; should it happen, one message must not stop a partition.
        logger.error({ err: error, partition: this.partition, id: only.id }, 'a message was refused by Postgres');
        return new Set([only]);
      }
    }
    const dropped = new Set<SequencedMessage>();
    for (const message of durable) for (const one of await this.commitOnce([message])) dropped.add(one);
    return dropped;
  }

  /** Repeats a step until it succeeds: every step of a batch changes nothing when it is repeated. */
  private async untilDone<T>(step: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (error instanceof FencedError || this.stopping) throw error;
        this.parts.logger.warn({ partition: this.partition, err: error }, 'trying again');
        await delay(RETRY_MS);
      }
    }
  }

  /** Tells publishers that asked for it that their message is committed and on its way. */
  private acknowledge(sequenced: readonly SequencedMessage[]): void {
    for (const { event } of sequenced) {
      if (event.acknowledgeTo !== undefined) this.parts.stream.nats.publish(event.acknowledgeTo);
    }
  }

  private async emitEvents(messages: readonly SequencedMessage[]): Promise<void> {
    if (!this.parts.live.current.eventsEnabled) return;
    const wanted = messages.filter(({ event }) => event.emitPubSubEvent);
    if (wanted.length === 0) return;
    const emitted = Promise.all(wanted.map((message) => this.parts.events.messagePublished(message)));
    await Promise.race([emitted, delay(EVENTS_PATIENCE_MS, undefined, { ref: false })]);
  }

  /** Moves the safe position on once this batch and all before it are where they belong. */
  private advanceWhen(delivered: Promise<void>, events: Promise<void>, checkpoint: Checkpoint): void {
    this.unconfirmed++;
    this.confirmations = Promise.all([this.confirmations, delivered])
      .then(() => events)
      .then(
        () => {
          this.safe = checkpoint;
        },
        // Only closing the publisher ends a wait; what was not confirmed is processed again by the next owner.
        () => undefined,
      )
      .finally(() => this.unconfirmed--);
  }

  /** Ends without saving anything: another worker has the partition, or may have it. */
  fence(): void {
    if (this.stopping) return;
    this.stopping = true;
    this.reader?.close();
    this.parts.logger.warn({ partition: this.partition }, 'another sequencer owns the partition now');
    this.onFenced();
  }

  private sequencingFrom(position: IngestPosition, markMs: number): Sequencing {
    return new Sequencing(this.partition, position.epoch, markMs, ({ sequence }, error) => {
      this.parts.logger.error({ partition: this.partition, sequence, err: error }, 'not a publish request: skipped');
    });
  }

  private fenced({ position, markMs }: Checkpoint): FencedPosition {
    return {
      partition: this.partition,
      epoch: this.claim.epoch,
      streamEpoch: position.epoch,
      seq: position.sequence,
      timeMs: markMs,
      streamTime: position.timeNs === '' ? null : position.timeNs,
      streamCreated: position.streamCreated === '' ? null : position.streamCreated,
    };
  }
}

/** SQLSTATE classes 22 (data exception) and 23 (constraint): the same statement will fail again. */
function isDataError(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^2[23]/.test(code);
}
