import type { StateChanges } from '@hearth/channels';
import {
  appendAndAdvance,
  appendMessages,
  claimDeduplicationIds,
  Database,
  fenceAndAdvance,
  FencedPosition,
  type Holder,
  isRefusedForData,
  LogRow,
  type RefusedRow,
  type WaitingEventChanges,
  writeStateChanges,
  writeWaitingEvents,
} from '@hearth/store';
import { REF_WINDOW_SECONDS } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, Metrics } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { resultOf } from './placed';
import { channelNamedBy, isOperation, Sequenced, SequencedMessage } from './sequencing';

/** What has been accepted before, each with the one that was. */
export type Duplicates = ReadonlyMap<Sequenced, Holder>;

/** What became of one request. */
export interface Committed {
  readonly duplicates: Duplicates;
  /** Of what was saved along: Postgres refuses it, so it was left out. */
  readonly refused: readonly RefusedRow[];
}

/** What one partition wants committed. */
interface Request {
  readonly messages: readonly Sequenced[];
  readonly safe: FencedPosition;
  readonly changes: StateChanges | undefined;
  readonly events: WaitingEventChanges | undefined;
  resolve(committed: Committed): void;
  reject(error: unknown): void;
}

/** Messages of one transaction: some 20 ms of Postgres work. */
const MESSAGES_AT_ONCE = 1_000;
/** Pause between commits while several partitions are busy: fewer, fuller commits. One that comes alone never waits. */
const GATHER_MS = 10;

/** Only what must touch Postgres does: a message that is neither kept nor deduplicated never comes here. */
export function isDurable(sequenced: Sequenced): boolean {
  if (isOnceOnly(sequenced)) return true;
  return !isOperation(sequenced) && sequenced.event.store !== 0;
}

/** How its sender told it from others, if at all. */
function marksOf(one: Sequenced): { readonly deduplicationId?: string; readonly ref?: string } {
  const marks: object = isOperation(one) ? one.operation : one.event;
  return marks;
}

function isOnceOnly(one: Sequenced): boolean {
  const { deduplicationId, ref } = marksOf(one);
  return deduplicationId !== undefined || ref !== undefined;
}

/** Keys of refs begin with it; a `deduplicationId` that does so too begins with two. */
const REF_MARK = '\u0001';

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
   * @param events the backend events up to there that their stream does not take
   * @throws FencedError when another worker owns the partition; DatabaseError when Postgres refuses one of the messages
   */
  commit(
    messages: readonly Sequenced[],
    safe: FencedPosition,
    changes?: StateChanges,
    events?: WaitingEventChanges,
  ): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ messages, safe, changes, events, resolve, reject });
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

  /** @param refused what is left out is added here; it is looked for once it is known that there is some */
  private async commitTogether(requests: readonly Request[], refused?: RefusedRow[]): Promise<void> {
    const endTimer = this.metrics.appendBatchSeconds.startTimer();
    try {
      const duplicates = await this.write(requests, refused);
      endTimer();
      for (const request of requests) {
        request.resolve({ duplicates: of(request.messages, duplicates), refused: refused ?? [] });
      }
    } catch (error) {
      const [only, ...others] = requests;
      if (only !== undefined && others.length === 0) {
        const mayBeAlong = refused === undefined && (only.changes ?? only.events) !== undefined;
        return mayBeAlong && isRefusedForData(error) ? this.commitTogether([only], []) : only.reject(error);
      }
      // One partition that was taken over, or one message that Postgres refuses, is not the other partitions' fault.
      for (const request of requests) await this.commitTogether([request]);
    }
  }

  private async write(requests: readonly Request[], refused?: RefusedRow[]): Promise<Duplicates> {
    const { db } = this.database;
    const positions = requests.map(({ safe }) => safe);
    const messages = requests.flatMap((request) => request.messages);
    const entries = requests.flatMap((request) => this.deduplicationEntries(request));
    if (entries.length === 0 && requests.every(({ changes, events }) => (changes ?? events) === undefined)) {
      const rows = logRows(messages);
      await appendAndAdvance(db, positions, rows);
      this.count(rows.length);
      return new Map();
    }
    // When the connection is lost during the commit, nobody knows whether it was written. Whoever repeats it does no harm:
    // a repeat carries the same ids and positions.
    return db.transaction().execute(async (tx) => {
      await fenceAndAdvance(tx, positions);
      for (const { safe, changes, events } of requests) {
        if (changes !== undefined) await writeStateChanges(tx, safe.partition, changes, refused);
        if (events !== undefined) await writeWaitingEvents(tx, safe.partition, events, refused);
      }
      if (messages.length === 0) return new Map();
      const holders = await claimDeduplicationIds(tx, entries);
      const duplicates = new Map<Sequenced, Holder>();
      holders.forEach((holder, index) => {
        const message = entries[index]?.message;
        if (message !== undefined && holder !== undefined) duplicates.set(message, holder);
      });
      const rows = logRows(messages.filter((message) => !duplicates.has(message)));
      await appendMessages(tx, rows);
      this.count(rows.length);
      return duplicates;
    });
  }

  private deduplicationEntries({ messages, safe }: Request) {
    return messages.filter(isOnceOnly).map((message) => ({
      message,
      ...this.claimOf(message),
      timeMs: message.acceptedMs,
      partition: safe.partition,
      streamEpoch: message.position.epoch,
      seq: message.position.sequence,
    }));
  }

  /** No channel name contains a comma or begins with a control character, so the parts of a key cannot be confused. */
  private claimOf(message: Sequenced): { readonly id: string; readonly windowMs: number; readonly result?: string } {
    const { ref, deduplicationId = '' } = marksOf(message);
    if (ref !== undefined) {
      const id = `${REF_MARK}${channelNamedBy(message) ?? ''},${ref}`;
      return { id, windowMs: REF_WINDOW_SECONDS * 1_000, result: resultOf(message) };
    }
    const windowMs = this.config.deduplicationSeconds * 1_000;
    if (this.config.deduplicationScope === 'channel') {
      return { id: `${channelNamedBy(message) ?? ''},${deduplicationId}`, windowMs };
    }
    return { id: deduplicationId.startsWith(REF_MARK) ? REF_MARK + deduplicationId : deduplicationId, windowMs };
  }

  private count(rows: number): void {
    this.metrics.appendBatches.inc();
    this.metrics.appendRows.inc(rows);
  }
}

function of(messages: readonly Sequenced[], duplicates: Duplicates): Duplicates {
  if (duplicates.size === 0) return duplicates;
  const own = new Map<Sequenced, Holder>();
  for (const message of messages) {
    const holder = duplicates.get(message);
    if (holder !== undefined) own.set(message, holder);
  }
  return own;
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
