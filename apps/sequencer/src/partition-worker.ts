import { installationNow } from '@hearth/timing';
import {
  ConsumerLostError,
  dropProcessed,
  extentOf,
  findIngestStart,
  IngestPosition,
  openIngestReader,
  processedUntilMs,
  PullConsumer,
  StreamMessage,
} from '@hearth/stream';
import { warnSeldom, InvariantBroken } from '@hearth/runtime';
import { FencedError, loadDueSchedules, PartitionState, releasePartition } from '@hearth/store';
import { ingestStream, streamSequenceOf } from '@hearth/wire';
import { setTimeout as delay } from 'node:timers/promises';
import { ChannelEnds } from './channel-ends';
import { ChannelOperations, Dropped, hasRef } from './channel-operations';
import { commitDurable, NOTHING_DROPPED } from './commit-durable';
import { DeliverLoss } from './deliver-loss';
import { EventOutbox, OfferedEvent } from './event-outbox';
import { channelOf, FanOut, FannedOut } from './fan-out';
import { isDurable } from './group-commit';
import { assertNoHole, releaseSurely } from './partition-claim';
import type { PartitionHost } from './partition-host';
import { sequencingOf } from './partition-sequencing';
import { placedOf } from './placed';
import { NOTHING_REACHED, passedOn, Processed } from './processed';
import { Lanes } from './lanes';
import { Checkpoint, Reached, SavedPosition } from './saved-position';
import { ScheduleTimer } from './schedule-timer';
import { isOperation, Sequenced, SequencedMessage, Sequencing } from './sequencing';
import { Tails } from './tails';

/** The stream's messages of one batch, and their bytes: some hundred events, 10 to 20 ms of Postgres work at most. */
const BATCH_MESSAGES = 500;
const BATCH_BYTES = 256 * 1024;
/** Batches that may be on their way to the deliver stream before the worker waits. */
const UNDELIVERED_BATCHES = 32;
/** Longest that a partition that is given back waits for what is on its way. */
const STOP_MS = 3_000;
const RETRY_MS = 250;

/**
 * Owns one partition: reads its ingest stream in order, gives ids, drops duplicates, appends, fans out.
 *
 * The saved position is that up to which everything has been fanned out and confirmed. After a crash the next owner
 * processes what follows again: ids come out the same, rows and dedup entries are already there, and what the deliver
 * stream holds is not sent twice. So a repeat changes nothing, and nothing has to be remembered between commit and
 * fan-out. What operations change about channels is kept in memory and saved together with the position, so the database
 * always holds it as of the position; the next owner applies what follows again and comes to the same. A worker that lost
 * its partition without noticing can only repeat the same; its writes to Postgres are fenced by the token of its claim, and so
 * is its way over what its successor has dropped from the stream.
 *
 * Backend events hold back the saved position only, so that a crash does not lose them, and only while their stream takes
 * events (`EventPublisher`): nobody's message or answer may wait for a stream that does not. What it has not taken is saved
 * with the position then (`EventOutbox`).
 */
export class PartitionWorker {
  readonly partition: number;
  private readonly stopped: Promise<void>;
  private stopping = false;
  private reader: PullConsumer | undefined;
  private sequencing: Sequencing;
  private fanOut: FanOut | undefined;
  /** Read so far. */
  private position: IngestPosition;
  /** How far each publisher had come at the last checkpoint. */
  private readonly lanes: Lanes;
  private readonly outbox: EventOutbox;
  private readonly saved: SavedPosition;
  private readonly ends: ChannelEnds;
  private readonly tails: Tails;
  private readonly deliverLoss: DeliverLoss;
  private readonly operations: ChannelOperations;
  private readonly timer: ScheduleTimer;
  private readonly hideLag: () => void;
  /** Batches that the deliver stream is not known to hold. */
  private undelivered = 0;
  private deliveries: Promise<void> = Promise.resolve();
  private confirmations: Promise<void> = Promise.resolve();

  constructor(
    private readonly host: PartitionHost,
    private readonly claim: PartitionState,
    /** Called when another worker has taken the partition. */
    private readonly onFenced: () => void,
  ) {
    this.partition = claim.partition;
    this.timer = this.scheduleTimer();
    this.operations = new ChannelOperations(
      this.partition,
      host.database,
      host.channelRules,
      this.timer,
      ({ id, operation: { kind } }, error) =>
        host.logger.error({ partition: this.partition, id, kind, err: error }, 'an operation failed'),
    );
    this.outbox = new EventOutbox(host, this.partition);
    this.saved = new SavedPosition(host, claim, this.operations, this.outbox, () => this.fence());
    this.position = this.saved.safe;
    this.lanes = new Lanes(claim.lanes);
    this.sequencing = sequencingOf(host, this.position, this.partition, claim.timeMs, new Lanes(claim.lanes));
    this.ends = new ChannelEnds(claim, () => this.deliveries);
    this.tails = new Tails(host.stream, claim, this.saved, this.ends.delivered, () => this.fanOut?.ends ?? []);
    this.deliverLoss = new DeliverLoss(host, claim.partition, this.saved, this.tails);
    host.endNotes.follow(this.ends);
    this.hideLag = host.metrics.sequencerLag.add(String(this.partition), () => this.lag());
    this.timer.start();
    this.stopped = this.run();
  }

  /** Fencing token of the claim; another one means that the partition is someone else's. */
  get fencingToken(): number {
    return this.claim.fencingToken;
  }

  /** Ends after the batch at hand and what it sent, saves the position and gives the partition back. */
  async stop(): Promise<void> {
    this.end();
    this.outbox.hurry();
    // What does not end for want of NATS is done again by the next owner, and whatever this one still does is fenced.
    await Promise.race([this.stopped.then(() => this.confirmations), delay(STOP_MS)]).catch(() => undefined);
    try {
      this.tails.leave();
      await this.host.endNotes.leave(this.ends);
      await this.saved.write([]);
    } finally {
      this.outbox.leave();
      // Where that was in vain, the next owner begins at what was saved last.
      await releasePartition(this.host.database.db, this.partition, this.claim.fencingToken);
    }
  }

  /** Writes the position down if it moved. */
  save(): Promise<void> {
    return this.saved.save();
  }

  /**
   * Drops from the stream what is no longer needed.
   *
   * @returns time up to which the stream has been processed and nobody will begin again; by its clock, ms since 1970
   */
  async tidy(): Promise<number> {
    const { saved } = this.saved;
    const nowMs = installationNow();
    await this.deliverLoss.look();
    return processedUntilMs(saved, await dropProcessed(this.host.stream, this.partition, saved), nowMs);
  }

  /** Messages of the stream behind the safe position, whatever they wait for; unknown before the first of an epoch. */
  private async lag(): Promise<number | undefined> {
    const { last } = await extentOf(this.host.stream, ingestStream(this.partition));
    const { epoch, sequence } = this.saved.safe;
    return epoch === this.position.epoch ? Math.max(0, last - sequence) : undefined;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.readOn();
      } catch (error) {
        if (error instanceof FencedError) return this.fence();
        if (error instanceof InvariantBroken) return this.giveUp(error);
        const about = { partition: this.partition, err: error };
        if (error instanceof ConsumerLostError) this.host.logger.debug(about, 'reading again');
        else warnSeldom(this.host.logger, about, 'reading again');
        if (!this.stopping) await delay(RETRY_MS);
      } finally {
        this.reader?.close();
        this.reader = undefined;
      }
    }
  }

  private async readOn(): Promise<void> {
    const { stream, config } = this.host;
    // What failed before may have left out a checkpoint.
    this.sequencing.lanes.takeAllNext();
    // Postgres has just given us the partition; later it may be away, and reports of subscriptions must not wait for it.
    await this.operations.open();
    await this.outbox.open();
    const before = this.position;
    const { position, startAt, epochReason } = await findIngestStart(stream, this.partition, config, before);
    if (epochReason !== undefined) await this.beginEpoch(position, epochReason, new Lanes());
    else if (position !== before) {
      // Nothing was ever read, and now it is known of which stream.
      this.position = position;
      this.saved.advance(this.checkpoint(), NOTHING_REACHED);
    }
    // Kept when NATS was away: what it has sent is the channels' past, also where a power cut took it from the deliver stream.
    const fanOut = (this.fanOut ??= await FanOut.open(this.host, this.partition, this.saved.deliverMark));
    this.saved.noteDeliverLife(undefined);
    await this.deliverLoss.look();
    this.reader = await openIngestReader(stream, this.partition, startAt);
    // `stop` may have been called while there was no reader to close.
    while (!this.stopping) {
      const messages = await this.reader.next(BATCH_MESSAGES, BATCH_BYTES);
      if (messages.length === 0) return;
      await this.untilDone(() => assertNoHole(this.host, this.claim, this.position.sequence, messages));
      await this.process(messages, fanOut);
    }
  }

  private async process(messages: readonly StreamMessage[], fanOut: FanOut): Promise<void> {
    const last = messages.at(-1);
    if (last === undefined) return;
    const before = { position: this.position, markMs: this.sequencing.markMs };
    const sequenced = this.sequencing.sequence(messages);
    // A message that comes alone costs most by its turns, so nothing is waited for that need not be.
    const reused = fanOut.mayRecall ? await this.untilDone(() => fanOut.firstReused(sequenced)) : undefined;
    if (reused !== undefined) return this.processAnew(messages, streamSequenceOf(reused.sequence), before, fanOut);
    const { epoch, streamCreated } = this.position;
    this.position = { epoch, sequence: last.sequence, timeNs: last.timeNs, streamCreated };
    const checkpoint = this.checkpoint();
    const { deliverables, events, reached, dropped, promptAnswers } = sequenced.some(isOperation)
      ? await this.processOperations(sequenced)
      : passedOn(
          sequenced as SequencedMessage[],
          sequenced.some(isDurable) ? await this.commit(sequenced) : NOTHING_DROPPED,
        );
    if (fanOut.mayRecall) await this.untilDone(() => fanOut.recallFor(deliverables));
    const fannedOut = fanOut.send(deliverables);
    for (const one of fannedOut.fanned) this.ends.add(channelOf(one), one);
    this.acknowledge(sequenced, dropped);
    this.advanceWhen(fannedOut, checkpoint, reached, this.outbox.publish(events));
    // Behind the events that they may wait for.
    for (const answer of promptAnswers) this.saved.answer(answer);
    if (this.undelivered >= UNDELIVERED_BATCHES) await this.deliveries;
  }

  /** The stream had lost what stood behind a place, and goes on with other messages: those have a new epoch. */
  private async processAnew(
    messages: readonly StreamMessage[],
    firstOther: number,
    { position, markMs }: Pick<Checkpoint, 'position' | 'markMs'>,
    fanOut: FanOut,
  ): Promise<void> {
    this.sequencing = sequencingOf(this.host, position, this.partition, markMs, new Lanes(this.lanes.toString()));
    const other = messages.findIndex(({ sequence }) => sequence === firstOther);
    await this.process(messages.slice(0, other), fanOut);
    const begin = { ...this.position, epoch: this.position.epoch + 1, sequence: firstOther - 1, timeNs: '' };
    await this.beginEpoch(begin, 'the stream lost messages that have been delivered', this.sequencing.lanes);
    await this.process(messages.slice(other), fanOut);
  }

  /**
   * From now on places are those of another life of the stream. That is saved before anything of it is sent, because whoever
   * compares the position of the earlier life with the stream later begins behind what has come meanwhile.
   */
  private async beginEpoch(position: IngestPosition, reason: string, lanes: Lanes): Promise<void> {
    this.host.logger.warn({ partition: this.partition, epoch: position.epoch }, `new epoch: ${reason}`);
    this.position = position;
    // Ids of the new epoch must be greater than all before, although sequences begin again.
    this.sequencing = sequencingOf(this.host, position, this.partition, this.sequencing.markMs + 1, lanes);
    await this.confirmations;
    this.saved.advance(this.checkpoint(), NOTHING_REACHED);
    await this.untilDone(() => this.saved.write([]));
  }

  /** Everything that has been sequenced. */
  private checkpoint(): Checkpoint {
    const { markMs, lanes } = this.sequencing;
    const changes = lanes.takeChanges();
    this.lanes.follow(changes);
    return { position: this.position, markMs, lanes: changes };
  }

  /** A batch with more in it than messages. */
  private async processOperations(sequenced: readonly Sequenced[]): Promise<Processed> {
    // Whether it was parked before must be known before it is parked.
    const parking = sequenced.filter((one) => isOperation(one) && one.operation.kind === 'schedule' && hasRef(one));
    const parked = await this.commit(parking);
    const batch = await this.untilDone(() => this.operations.settleSchedules(sequenced, this.sequencing, parked));
    const others = await this.commit(parking.length === 0 ? batch : batch.filter((one) => !parking.includes(one)));
    const dropped = parked.size === 0 ? others : new Map([...parked, ...others]);
    await this.untilDone(() => this.operations.load(batch));
    const { deliverables, events, answers, promptAnswers, changes } = this.operations.apply(batch, dropped);
    const reached = { answers, changes: changes.isEmpty ? undefined : changes };
    return { deliverables, events, reached, dropped, promptAnswers };
  }

  /** Commits what is durable; waits for Postgres for as long as it takes, because order must hold. */
  private async commit(sequenced: readonly Sequenced[]): Promise<Dropped> {
    const durable = sequenced.filter(isDurable);
    return durable.length === 0 ? NOTHING_DROPPED : this.untilDone(() => commitDurable(this.host, this.saved, durable));
  }

  /** Repeats a step until it succeeds: every step of a batch changes nothing when it is repeated. */
  private async untilDone<T>(step: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (error instanceof FencedError || error instanceof InvariantBroken || this.stopping) throw error;
        warnSeldom(this.host.logger, { partition: this.partition, err: error }, 'trying again');
        await delay(RETRY_MS);
      }
    }
  }

  /** Tells publishers that asked for it that their message is committed and on its way, or that it never will be. */
  private acknowledge(sequenced: readonly Sequenced[], dropped: Dropped): void {
    for (const one of sequenced) {
      if (isOperation(one) || one.event.acknowledgeTo === undefined) continue;
      const drop = dropped.get(one);
      const placed = hasRef(one) ? placedOf(one, drop?.first) : undefined;
      this.saved.answer({ to: one.event.acknowledgeTo, refusal: drop?.refusal, placed, afterEvents: false });
    }
  }

  /** Moves the safe position on once this batch and all before it are where they belong. */
  private advanceWhen(
    fannedOut: FannedOut,
    checkpoint: Checkpoint,
    reached: Reached,
    events: readonly OfferedEvent[],
  ): void {
    this.undelivered++;
    this.deliveries = Promise.allSettled([this.deliveries, fannedOut.confirmed]).then(() => void this.undelivered--);
    // Only closing the publisher ends a wait; nothing behind what was not confirmed is safe, and the next owner goes on there.
    this.confirmations = this.advanced(fannedOut, this.confirmations, checkpoint, reached, events);
    this.confirmations.catch((error: unknown) => {
      if (error instanceof InvariantBroken) this.giveUp(error);
    });
  }

  private async advanced(
    { confirmed, fanned }: FannedOut,
    before: Promise<void>,
    checkpoint: Checkpoint,
    { answers, changes }: Reached,
    events: readonly OfferedEvent[],
  ): Promise<void> {
    const sequence = await confirmed;
    const delivered = sequence === undefined ? undefined : { created: this.saved.deliverLife, sequence };
    this.tails.add(fanned);
    await before;
    for (const { publication } of events) await publication.released;
    this.saved.advance(checkpoint, { answers, changes, events, delivered });
  }

  /** Ends without saving anything: another worker has the partition, or may have it. */
  fence(): void {
    if (this.stopping) return;
    this.abandon();
    this.host.logger.warn({ partition: this.partition }, 'another sequencer owns the partition now');
    this.onFenced();
  }

  /**
   * Ends without saving anything, because what this worker knows is wrong, and gives the partition back: whoever takes it
   * next begins at what was saved.
   */
  private giveUp(error: InvariantBroken): void {
    if (this.stopping) return;
    const { partition, host, claim } = this;
    host.metrics.invariantBroken.of(error.invariant).inc();
    host.logger.error({ partition, invariant: error.invariant, err: error }, 'given up: an invariant does not hold');
    this.abandon();
    this.onFenced();
    void releaseSurely(host, claim);
  }

  /** Ends, and leaves everything to the next owner. */
  private abandon(): void {
    this.end();
    this.tails.stop();
    this.host.endNotes.drop(this.ends);
    this.outbox.leave();
  }

  private end(): void {
    this.stopping = true;
    this.hideLag();
    this.saved.stop();
    this.timer.stop();
    this.reader?.close();
  }

  private scheduleTimer(): ScheduleTimer {
    const { partition, host } = this;
    return new ScheduleTimer({
      unsaved: () => this.operations.unsavedSchedules(),
      load: (untilMs, after, limit) => loadDueSchedules(host.database.db, partition, untilMs, after, limit),
      fire: (scheduleId, id) => host.ingest.send({ kind: 'fire', partition, scheduleId }, '', { id }),
      onFailure: (error, what) => host.logger.warn({ partition, err: error }, what),
    });
  }
}
