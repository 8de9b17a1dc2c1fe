import {
  addWaiting,
  addWaitingUnlessRefused,
  endWaiting,
  endWaitingUnlessRefused,
  firstWaiting,
  giveUp,
  noteAttempt,
  type EventPlace,
  type RefusedRow,
  summarizeWaiting,
  TargetLostError,
  type TargetClaim,
  type TargetPosition,
  type WaitingEvent,
  type WaitingSummary,
  type WebhookEvent,
} from '@hearth/store';
import { installationNow, within } from '@hearth/timing';
import { retryDelayMs, scheduleMs } from './rules/retry-schedule';
import { type Verdict } from './rules/answer';
import { setTimeout as delay } from 'node:timers/promises';
import { ulid } from 'ulid';
import { EventQueue } from './event-queue';
import { PatientDatabase, StoppedError } from './patient-database';
import type { TargetHost } from './target-host';
import type { TargetMetrics } from './target-metrics';
import { WebhookSender } from './webhook-sender';

/** Requests to one URL at a time. A queue has one at most, so this is how many channels make progress at once. */
const CONCURRENCY = 32;
/** Queues that have failed get this many of them, so that those that hang do not stop the others. */
const RETRY_CONCURRENCY = CONCURRENCY / 2;
/** What may wait in Postgres for one target; when it is full, the stream is not read on. */
const MAX_WAITING_EVENTS = 100_000;
const MAX_WAITING_BYTES = 256 * 1_048_576;
/** Events are kept in memory as well, so that they need not be loaded, while there are not more for one target. */
const MAX_LOADED_BYTES = 8 * 1_048_576;
/** What an event takes beside its payload, roughly. */
const EVENT_BYTES = 1_024;
/** Of one queue. Loaded in one query, when its turn comes and none is in memory. */
const PAGE_EVENTS = 100;
const PAGE_BYTES = 262_144;
/** Reading goes on after so long with the memory full: what is full of events that nobody takes stays so. */
const MEMORY_PATIENCE_MS = 1_000;
const ROOM_POLL_MS = 20;
/** What was delivered is taken off the list together. A crash repeats it, so it must not be longer. */
const REMOVE_AFTER_MS = 100;
const WARN_EVERY_MS = 60_000;

/**
 * Delivers the events of one URL. Each is written down in Postgres before it is sent, and taken off there when it was
 * delivered or given up. In order within a queue, queues independently of each other.
 */
export class Delivery {
  private readonly sender: WebhookSender;
  private readonly patient: PatientDatabase;
  private readonly queues = new Map<string, EventQueue>();
  /** Queues with something to send, first come, first served: those in good order, and those that have failed. */
  private readonly fresh = new Set<EventQueue>();
  private readonly failed = new Set<EventQueue>();
  private readonly sending = new Set<Promise<void>>();
  private sendingFailed = 0;
  /** What waits; all of it is in Postgres, and some of it loaded. */
  private readonly inPostgres = { events: 0, bytes: 0 };
  private loadedBytes = 0;
  private delivered: WaitingEvent[] = [];
  /** What is over and that Postgres keeps, by ordering key: only who has the target next sends it again. */
  private readonly kept = new Map<string, EventPlace[]>();
  private removing: Promise<void> = Promise.resolve();
  private removal: NodeJS.Timeout | undefined;
  private warnedAt: number | undefined;
  private pause: NodeJS.Timeout | undefined;
  private pausedUntil = 0;
  private started = false;
  private stopped = false;

  constructor(
    private readonly host: TargetHost,
    url: string,
    private readonly claim: TargetClaim,
    private readonly metrics: TargetMetrics,
    /** Whether the right to send is certain at this moment. */
    private readonly maySend: () => boolean,
    /** Another process has the target. */
    private readonly onLost: () => void,
  ) {
    this.patient = new PatientDatabase(host, claim.target, () => this.stopped);
    this.sender = new WebhookSender(url, host.config, CONCURRENCY, () => host.reloadable.current.webhookSecrets);
  }

  /** Events that wait; undefined until Postgres has been asked. */
  get waiting(): number | undefined {
    return this.started ? this.inPostgres.events : undefined;
  }

  /** Whether the URL has asked not to be called for a while. */
  get isPaused(): boolean {
    return this.pause !== undefined;
  }

  /** Takes over what waits in Postgres; all of it is due at once. */
  start(): Promise<void> {
    return this.orLost(async () => {
      const summaries = await this.patient.done((db) => summarizeWaiting(db, this.claim.target));
      for (const summary of summaries) this.addUnloaded(summary);
      this.started = true;
    });
  }

  /** Dead letters that wait again. They are sent at once, whatever their queue was waiting for. */
  revive(events: readonly { readonly orderingKey: string; readonly bytes: number }[]): void {
    for (const { orderingKey, bytes } of events) {
      const queue = this.queueOf(orderingKey);
      clearTimeout(queue.retryTimer);
      queue.retryTimer = undefined;
      this.addUnloaded({ orderingKey, count: 1, bytes, attempts: 0 });
    }
  }

  /**
   * Writes down events that come after all those before, in the order of the stream, and sends them in their turn.
   * Resolves when there is room for more.
   *
   * @param position up to where the stream was read with them
   */
  add(events: readonly WebhookEvent[], position: TargetPosition): Promise<void> {
    return this.orLost(async () => {
      const refused = await this.patient.unlessRefused(
        (db) => addWaiting(db, this.claim, events, position),
        (db) => addWaitingUnlessRefused(db, this.claim, events, position),
      );
      const leftOut = new Set(refused.map(({ row }) => row));
      const waitingSince = performance.now();
      for (const event of events) if (!leftOut.has(event)) this.addWritten({ ...event, attempts: 0, waitingSince });
      await this.room();
    });
  }

  /** Sends what may be sent now. */
  pump(): void {
    while (!this.stopped && this.sending.size < CONCURRENCY && this.pause === undefined && this.maySend()) {
      const [retry] = this.sendingFailed < RETRY_CONCURRENCY ? this.failed : [];
      const [queue = retry] = retry === undefined ? this.fresh : [];
      if (queue === undefined) return;
      this.fresh.delete(queue);
      this.failed.delete(queue);
      const run = this.run(queue).finally(() => {
        this.sending.delete(run);
        this.pump();
      });
      this.sending.add(run);
    }
  }

  /** Sends nothing more; waits for what is under way, `patienceMs` at most. */
  async stop(patienceMs: number): Promise<void> {
    this.stopped = true;
    clearTimeout(this.pause);
    for (const queue of this.queues.values()) clearTimeout(queue.retryTimer);
    const ended = Promise.all(this.sending).then(() => this.removeDelivered());
    await within(patienceMs, ended).catch(() => undefined);
    this.sender.close();
  }

  private queueOf(orderingKey: string): EventQueue {
    let queue = this.queues.get(orderingKey);
    if (queue === undefined) {
      queue = new EventQueue(orderingKey);
      this.queues.set(orderingKey, queue);
    }
    return queue;
  }

  private addUnloaded({ orderingKey, count, bytes, attempts }: WaitingSummary): void {
    const queue = this.queueOf(orderingKey);
    queue.unloaded += count;
    queue.unloadedBytes += bytes;
    queue.failures = Math.max(queue.failures, attempts);
    this.inPostgres.events += count;
    this.inPostgres.bytes += bytes;
    this.consider(queue);
  }

  private addWritten(event: WaitingEvent): void {
    const queue = this.queueOf(event.orderingKey);
    const isNext = queue.unloaded === 0 && queue.failures === 0 && queue.loaded.length < PAGE_EVENTS;
    if (isNext && this.loadedBytes < MAX_LOADED_BYTES) this.keep(queue, [event]);
    else {
      queue.unloaded++;
      queue.unloadedBytes += event.payload.length;
    }
    this.inPostgres.events++;
    this.inPostgres.bytes += event.payload.length;
    this.consider(queue);
  }

  /** Waits until more events may be read. */
  private async room(): Promise<void> {
    const { inPostgres } = this;
    const patientUntil = performance.now() + MEMORY_PATIENCE_MS;
    const isFull = (): boolean =>
      inPostgres.events >= MAX_WAITING_EVENTS ||
      inPostgres.bytes >= MAX_WAITING_BYTES ||
      (this.loadedBytes > MAX_LOADED_BYTES / 2 && performance.now() < patientUntil);
    while (!this.stopped && isFull()) await delay(ROOM_POLL_MS);
  }

  /** Puts a queue where it belongs, after something has changed. */
  private consider(queue: EventQueue): void {
    if (this.stopped || queue.isSending || queue.retryTimer !== undefined) return;
    if (queue.loaded.length > 0 || queue.unloaded > 0) (queue.failures > 0 ? this.failed : this.fresh).add(queue);
    else if (queue.unloaded === 0) this.queues.delete(queue.orderingKey);
    this.pump();
  }

  private async run(queue: EventQueue): Promise<void> {
    const hasFailed = queue.failures > 0;
    queue.isSending = true;
    if (hasFailed) this.sendingFailed++;
    await this.orLost(() => this.sendFirst(queue));
    queue.isSending = false;
    if (hasFailed) this.sendingFailed--;
    this.consider(queue);
  }

  private async sendFirst(queue: EventQueue): Promise<void> {
    if (queue.loaded.length === 0) await this.load(queue);
    const [event] = queue.loaded;
    if (event === undefined) return;
    const attempts = event.attempts + 1;
    const verdict = await this.attempt(event, attempts);
    if (verdict.delivered) {
      queue.failures = 0;
      queue.deliveredAt = performance.now();
      this.remove(event);
    } else if (this.isSpent(queue, event)) {
      await this.giveUp(event, attempts, verdict.reason);
      // The next one is tried at once, and then at this queue's pace: what was in its way may have been this event.
      queue.failures++;
    } else {
      return this.keepTrying(queue, event, attempts, verdict.reason);
    }
    this.forget(queue, 1);
    this.inPostgres.events--;
    this.inPostgres.bytes -= event.payload.length;
  }

  /** Has the first events of a queue in memory, as they are in Postgres now. */
  private async load(queue: EventQueue): Promise<void> {
    await this.removeDelivered();
    const { unloaded, unloadedBytes } = queue;
    const events = await this.patient.done((db) =>
      firstWaiting(db, this.claim.target, queue.orderingKey, PAGE_EVENTS, PAGE_BYTES, this.kept.get(queue.orderingKey)),
    );
    this.keep(queue, events);
    queue.unloaded -= events.length;
    queue.unloadedBytes -= bytesOf(events);
    if (events.length > 0) return;
    // There were fewer than was thought.
    queue.unloaded -= unloaded;
    queue.unloadedBytes -= unloadedBytes;
    this.inPostgres.events -= unloaded;
    this.inPostgres.bytes -= unloadedBytes;
  }

  private keep(queue: EventQueue, events: readonly WaitingEvent[]): void {
    queue.loaded.push(...events);
    for (const { payload } of events) this.loadedBytes += payload.length + EVENT_BYTES;
  }

  private forget(queue: EventQueue, count: number): void {
    for (const { payload } of queue.loaded.splice(0, count)) this.loadedBytes -= payload.length + EVENT_BYTES;
  }

  /** Takes a delivered event off the list, with others that are delivered until then. */
  private remove(event: WaitingEvent): void {
    this.delivered.push(event);
    this.removal ??= setTimeout(() => void this.removeDelivered(), REMOVE_AFTER_MS);
  }

  /** Resolves when nothing that has been delivered so far is in Postgres any more. */
  private removeDelivered(): Promise<void> {
    clearTimeout(this.removal);
    this.removal = undefined;
    const events = this.delivered.splice(0);
    const end = async (): Promise<void> =>
      this.noteKept(
        await this.patient.unlessRefused(
          (db) => endWaiting(db, this.claim, events),
          (db) => endWaitingUnlessRefused(db, this.claim, events),
        ),
      );
    if (events.length > 0) this.removing = this.removing.then(() => this.orLost(end));
    return this.removing;
  }

  /** What could not be taken off the list is not loaded from there any more. */
  private noteKept(refused: readonly RefusedRow[]): void {
    const waiting = refused.filter(({ table }) => table === 'webhook_waiting');
    for (const { orderingKey, streamEpoch, sequence } of waiting.map(({ row }) => row as WaitingEvent)) {
      this.kept.set(orderingKey, [...(this.kept.get(orderingKey) ?? []), { streamEpoch, sequence }]);
    }
  }

  /**
   * Whether a failed attempt was the last one: there were enough, or the event has waited, and its queue has had no
   * success, for as long as they take. Otherwise the events behind one that fails for a day would be a day each, one
   * after the other.
   */
  private isSpent({ deliveredAt }: EventQueue, { attempts, waitingSince }: WaitingEvent): boolean {
    const { webhookMaxAttempts: maxAttempts } = this.host.config;
    const failingMs = performance.now() - Math.max(waitingSince, deliveredAt);
    return attempts + 1 >= maxAttempts || failingMs >= scheduleMs(maxAttempts);
  }

  private async attempt(event: WebhookEvent, attempt: number): Promise<Verdict> {
    const { metrics, claim } = this;
    const verdict = await this.sender.send(event);
    if (this.stopped && !verdict.delivered) throw new StoppedError();
    const about = { target: claim.target, eventId: event.id, type: event.type, channel: event.channel, attempt };
    if (verdict.delivered) {
      metrics.delivered.inc();
      return verdict;
    }
    metrics.failed.inc();
    // All of them would fill the log for as long as a receiver is away.
    const isNews = this.warnedAt === undefined || performance.now() - this.warnedAt > WARN_EVERY_MS;
    if (isNews) this.warnedAt = performance.now();
    this.host.logger[isNews ? 'warn' : 'debug'](
      { ...about, reason: verdict.reason },
      'a webhook could not be delivered',
    );
    if (verdict.pauseMs !== undefined) this.pauseFor(verdict.pauseMs, verdict.reason);
    return verdict;
  }

  private async giveUp(event: WebhookEvent, attempts: number, reason: string): Promise<void> {
    const id = ulid(installationNow());
    const refused = await this.patient.unlessRefused(
      (db) => giveUp(db, this.claim, id, event, attempts, reason),
      async (db, error) => [
        { table: 'webhook_dead_letter', row: event, error },
        ...(await endWaitingUnlessRefused(db, this.claim, [event])),
      ],
    );
    this.noteKept(refused);
    if (refused.length > 0) return;
    this.metrics.dead.inc();
    const { id: eventId, type, channel } = event;
    const about = { target: this.claim.target, deadLetter: id, eventId, type, channel, attempts, reason };
    this.host.logger.error(about, 'an event was given up: it is a dead letter');
  }

  /** The queue's turn comes again later; until then its events are no longer in memory. */
  private async keepTrying(queue: EventQueue, event: WaitingEvent, attempts: number, reason: string): Promise<void> {
    await this.patient.unlessRefused(
      (db) => noteAttempt(db, this.claim, event, attempts, reason),
      (_, error) => Promise.resolve([{ table: 'webhook_waiting', row: event, error }]),
    );
    queue.failures = Math.max(queue.failures, event.attempts) + 1;
    queue.unloaded += queue.loaded.length;
    queue.unloadedBytes += bytesOf(queue.loaded);
    this.forget(queue, queue.loaded.length);
    queue.retryTimer = setTimeout(
      () => {
        queue.retryTimer = undefined;
        this.consider(queue);
      },
      retryDelayMs(queue.failures, Math.random()),
    );
  }

  private pauseFor(ms: number, reason: string): void {
    const until = performance.now() + ms;
    if (this.stopped || until <= this.pausedUntil) return;
    this.pausedUntil = until;
    clearTimeout(this.pause);
    const about = { target: this.claim.target, reason, seconds: Math.ceil(ms / 1_000) };
    this.host.logger.warn(about, 'nothing is sent for a while');
    this.pause = setTimeout(() => {
      this.pause = undefined;
      this.pump();
    }, ms);
  }

  /** Does something that ends early when the process stops, or the target is another's. */
  private async orLost(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof TargetLostError) this.onLost();
      else if (!(error instanceof StoppedError)) throw error;
    }
  }
}

function bytesOf(events: readonly WaitingEvent[]): number {
  return events.reduce((bytes, { payload }) => bytes + payload.length, 0);
}
