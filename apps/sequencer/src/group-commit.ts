import type { StateChanges } from '@hearth/channels';
import {
  appendAndAdvance,
  appendMessages,
  claimDeduplicationIds,
  Database,
  fenceAndAdvance,
  FencedPosition,
  LogRow,
  writeStateChanges,
} from '@hearth/store';
import { CONFIG, HearthConfig, Metrics } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { isOperation, Sequenced, SequencedMessage } from './sequencing';

/** What one partition wants committed. */
interface Request {
  readonly messages: readonly Sequenced[];
  readonly safe: FencedPosition;
  readonly changes: StateChanges | undefined;
  resolve(duplicates: ReadonlySet<Sequenced>): void;
  reject(error: unknown): void;
}

/** Messages of one transaction: some 20 ms of Postgres work. */
const MESSAGES_AT_ONCE = 1_000;
/** Pause between commits while several partitions are busy: fewer, fuller commits. One that comes alone never waits. */
const GATHER_MS = 10;

/** Only what must touch Postgres does: a message that is neither kept nor deduplicated never comes here. */
export function isDurable(sequenced: Sequenced): boolean {
  if (isOperation(sequenced)) return deduplicationIdOf(sequenced) !== undefined;
  return sequenced.event.store !== 0 || sequenced.event.deduplicationId !== undefined;
}

function deduplicationIdOf(one: Sequenced): string | undefined {
  if (!isOperation(one)) return one.event.deduplicationId;
  return 'deduplicationId' in one.operation ? one.operation.deduplicationId : undefined;
}

/**
 * Commits what the partitions of this process want committed: one transaction at a time, with everything that came
 * while the one before was under way. A commit costs a sync of the disk however much is in it, so sixteen partitions
 * that each commit a handful of messages would cost sixteen times as much.
 */
@Injectable()
export class GroupCommit {
  private waiting: Request[] = [];
  private isRunning = false;

  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {}

  /**
   * Drops duplicates and appends what is to be kept, in a transaction that also proves that the partition is still the
   * caller's.
   *
   * @param safe position up to which the partition has been fanned out; saved along because it costs nothing here
   * @param changes what has become of its channels up to there and is not saved yet
   * @returns the messages that are duplicates of an earlier one
   * @throws FencedError when another worker owns the partition
   */
  commit(
    messages: readonly Sequenced[],
    safe: FencedPosition,
    changes?: StateChanges,
  ): Promise<ReadonlySet<Sequenced>> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ messages, safe, changes, resolve, reject });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.waiting.length > 0) {
      const group = this.takeGroup();
      await this.commitTogether(group);
      if (group.length > 1) await delay(GATHER_MS);
    }
    this.isRunning = false;
  }

  private takeGroup(): Request[] {
    let messages = 0;
    const end = this.waiting.findIndex((request) => (messages += request.messages.length) > MESSAGES_AT_ONCE);
    return this.waiting.splice(0, end < 0 ? this.waiting.length : Math.max(1, end));
  }

  private async commitTogether(requests: readonly Request[]): Promise<void> {
    const endTimer = this.metrics.appendBatchSeconds.startTimer();
    try {
      const duplicates = await this.write(requests);
      endTimer();
      for (const request of requests) {
        request.resolve(new Set(request.messages.filter((message) => duplicates.has(message))));
      }
    } catch (error) {
      const [only, ...others] = requests;
      if (only !== undefined && others.length === 0) return only.reject(error);
      // One partition that was taken over, or one message that Postgres refuses, is not the other partitions' fault.
      for (const request of requests) await this.commitTogether([request]);
    }
  }

  private async write(requests: readonly Request[]): Promise<ReadonlySet<Sequenced>> {
    const { db } = this.database;
    const positions = requests.map(({ safe }) => safe);
    const messages = requests.flatMap((request) => request.messages);
    const entries = requests.flatMap((request) => this.deduplicationEntries(request));
    if (entries.length === 0 && requests.every(({ changes }) => changes === undefined)) {
      const rows = logRows(messages);
      await appendAndAdvance(db, positions, rows);
      this.count(rows.length);
      return new Set();
    }
    // When the connection is lost during the commit, nobody knows whether it was written. Whoever repeats it does no harm:
    // a repeat carries the same ids and positions.
    return db.transaction().execute(async (tx) => {
      await fenceAndAdvance(tx, positions);
      for (const { safe, changes } of requests) {
        if (changes !== undefined) await writeStateChanges(tx, safe.partition, changes);
      }
      if (messages.length === 0) return new Set();
      const isFirst = await claimDeduplicationIds(tx, entries, this.config.deduplicationSeconds * 1_000);
      const duplicates = new Set(entries.filter((_, index) => isFirst[index] !== true).map(({ message }) => message));
      const rows = logRows(messages.filter((message) => !duplicates.has(message)));
      await appendMessages(tx, rows);
      this.count(rows.length);
      return duplicates;
    });
  }

  private deduplicationEntries({ messages, safe }: Request) {
    return messages
      .filter((message) => deduplicationIdOf(message) !== undefined)
      .map((message) => ({
        message,
        id: this.deduplicationKey(message),
        timeMs: message.acceptedMs,
        partition: safe.partition,
        streamEpoch: message.position.epoch,
        seq: message.position.sequence,
      }));
  }

  /** No channel name contains a comma, so the two parts cannot be confused. */
  private deduplicationKey(message: Sequenced): string {
    const id = deduplicationIdOf(message) ?? '';
    return this.config.deduplicationScope === 'channel' ? `${channelOf(message)},${id}` : id;
  }

  private count(rows: number): void {
    this.metrics.appendBatches.inc();
    this.metrics.appendRows.inc(rows);
  }
}

function channelOf(one: Sequenced): string {
  if (!isOperation(one)) return one.event.channel;
  return 'channel' in one.operation ? one.operation.channel : '';
}

function logRows(messages: readonly Sequenced[]): LogRow[] {
  return messages.flatMap((message) => (isOperation(message) || message.event.store === 0 ? [] : [logRow(message)]));
}

function logRow({ id, placeId, event, data }: SequencedMessage): LogRow {
  return {
    channel: event.channel,
    id: placeId,
    eagerId: id === placeId ? undefined : id,
    event: event.event,
    data: data.toString('utf8'),
    meta: event.meta ?? null,
    connectionId: event.connectionId ?? null,
    sourceIp: event.sourceIp ?? null,
    userAgent: event.userAgent ?? null,
    trigger: event.trigger,
    requestId: event.requestId,
    store: event.store,
  };
}
