import type { Logger } from '@hearth/runtime';
import {
  endWaiting,
  firstWaiting,
  giveUp,
  noteAttempt,
  putToWait,
  TargetLostError,
  type Database,
  type TargetClaim,
  type WaitingEvent,
  type WaitingLane,
  type WebhookEvent,
} from '@hearth/store';
import { retryDelayMs, scheduleMs } from './rules/retry-schedule';
import { type Verdict } from './rules/answer';
import { setTimeout as delay } from 'node:timers/promises';
import { ulid } from 'ulid';
import { Lane, type ReadEvent } from './lane';
import { Parking } from './parking';
import type { TargetMetrics } from './target-metrics';
import type { WebhookSender } from './webhook-sender';

/** Requests to one URL at a time. A lane has one at most, so this is how many channels make progress at once. */
export const CONCURRENCY = 32;
/** Lanes that have failed get this many of them, so that those that hang do not stop the others. */
const RETRY_CONCURRENCY = CONCURRENCY / 2;
/** An attempt that takes longer has its lane's next events make room for those of others. */
const SLOW_MS = 1_000;
const DATABASE_RETRY_MS = 1_000;
const WARN_EVERY_MS = 60_000;

export interface DeliveryParts {
  readonly claim: TargetClaim;
  readonly database: Database;
  readonly sender: WebhookSender;
  readonly maxAttempts: number;
  readonly metrics: TargetMetrics;
  readonly logger: Logger;
  /** Whether the right to send is certain at this moment. */
  readonly maySend: () => boolean;
  /** The event is delivered, or written down in Postgres: it need not be read again. */
  readonly onSettled: (event: ReadEvent) => void;
  /** Another process has the target. */
  readonly onLost: () => void;
}

/** The process no longer delivers; whatever was under way is left to the next one. */
class StoppedError extends Error {}

/** Delivers the events of one URL: in order within a lane, lanes independently of each other. */
export class Delivery {
  private readonly lanes = new Map<string, Lane>();
  /** Lanes with something to send, first come, first served: those in good order, and those that have failed. */
  private readonly fresh = new Set<Lane>();
  private readonly retries = new Set<Lane>();
  private readonly parking: Parking;
  private sending = 0;
  private sendingRetries = 0;
  private events = 0;
  private bytes = 0;
  private warnedAt: number | undefined;
  private pause: NodeJS.Timeout | undefined;
  private pausedUntil = 0;
  private stopped = false;
  private idle: (() => void) | undefined;

  constructor(private readonly parts: DeliveryParts) {
    this.parking = new Parking(
      (events) => this.written(() => putToWait(parts.database.db, parts.claim, events)),
      (lane, events) => this.onParked(lane, events),
      (error) => this.onError(error),
    );
  }

  /** Events that wait in Postgres, and their bytes. */
  get waiting(): { readonly events: number; readonly bytes: number } {
    return { events: this.events, bytes: this.bytes };
  }

  /** Takes over what waits in Postgres; all of it is due at once. */
  load(lanes: readonly WaitingLane[]): void {
    for (const { lane: key, count, bytes } of lanes) {
      const lane = this.laneOf(key);
      lane.waiting += count;
      this.events += count;
      this.bytes += bytes;
      this.consider(lane);
    }
  }

  /** Dead letters that wait again. They are sent at once, whatever their lane was waiting for. */
  revive(events: readonly { readonly lane: string; readonly bytes: number }[]): void {
    for (const { lane: key } of events) {
      const lane = this.laneOf(key);
      clearTimeout(lane.retryTimer);
      lane.retryTimer = undefined;
    }
    this.load(events.map(({ lane, bytes }) => ({ lane, count: 1, bytes })));
  }

  /** An event that comes after all those before, in the order of the stream. */
  add(read: ReadEvent): void {
    const lane = this.laneOf(read.event.lane);
    lane.queue.push(read);
    if (lane.isBlocked) this.parking.add(lane);
    else this.consider(lane);
  }

  /** Sends what may be sent now. */
  pump(): void {
    while (!this.stopped && this.sending < CONCURRENCY && this.pause === undefined && this.parts.maySend()) {
      const [retry] = this.sendingRetries < RETRY_CONCURRENCY ? this.retries : [];
      const [lane = retry] = retry === undefined ? this.fresh : [];
      if (lane === undefined) return;
      this.fresh.delete(lane);
      this.retries.delete(lane);
      void this.run(lane);
    }
  }

  /** Memory is full: lanes whose receiver takes its time give their room away. */
  relieve(): void {
    const slowSince = performance.now() - SLOW_MS;
    for (const lane of this.lanes.values()) {
      const isSlow = lane.sending?.from === 'queue' && lane.sending.since < slowSince;
      if (isSlow && lane.queue.length > 1) this.parking.add(lane);
    }
  }

  /** Sends nothing more; waits for what is under way, `patienceMs` at most. */
  async stop(patienceMs: number): Promise<void> {
    this.stopped = true;
    clearTimeout(this.pause);
    for (const lane of this.lanes.values()) clearTimeout(lane.retryTimer);
    const patience = new AbortController();
    if (this.sending > 0) {
      const idle = new Promise<void>((resolve) => (this.idle = resolve));
      await Promise.race([idle, delay(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
    }
    patience.abort();
    this.parts.sender.close();
  }

  private laneOf(key: string): Lane {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key);
      this.lanes.set(key, lane);
    }
    return lane;
  }

  /** Puts a lane where it belongs, after something has changed. */
  private consider(lane: Lane): void {
    const isHeld = lane.sending !== undefined || lane.retryTimer !== undefined || lane.failedHead !== undefined;
    if (this.stopped || isHeld) return;
    if (lane.waiting > 0) this.retries.add(lane);
    else if (lane.parking > 0) return;
    else if (lane.queue.length > 0) this.fresh.add(lane);
    else this.lanes.delete(lane.key);
    this.pump();
  }

  private async run(lane: Lane): Promise<void> {
    const from = lane.waiting > 0 ? 'postgres' : 'queue';
    lane.sending = { from, since: performance.now() };
    this.sending++;
    if (from === 'postgres') this.sendingRetries++;
    try {
      await (from === 'postgres' ? this.sendWaiting(lane) : this.sendQueued(lane));
    } catch (error) {
      this.onError(error);
    }
    lane.sending = undefined;
    this.sending--;
    if (from === 'postgres') this.sendingRetries--;
    if (lane.isBlocked && lane.queue.length > 0) this.parking.add(lane);
    this.consider(lane);
    this.pump();
    if (this.sending === 0) this.idle?.();
  }

  private async sendQueued(lane: Lane): Promise<void> {
    const [read] = lane.queue;
    // Those on their way into Postgres come first.
    if (read === undefined || lane.parking > 0) return;
    const verdict = await this.attempt(read.event, read.attempts + 1);
    if (verdict.delivered) {
      lane.failures = 0;
    } else {
      read.attempts++;
      read.lastError = verdict.reason;
      if (read.attempts < this.parts.maxAttempts) {
        lane.failedHead = read;
        return this.backOff(lane);
      }
      await this.giveUp(read.event, read.attempts, verdict.reason);
      lane.failures++;
    }
    lane.queue.shift();
    this.parts.onSettled(read);
  }

  private async sendWaiting(lane: Lane): Promise<void> {
    const { database, claim } = this.parts;
    const event = await this.written(() => firstWaiting(database.db, claim.target, lane.key));
    if (event === undefined) {
      this.events -= lane.waiting;
      lane.waiting = 0;
      return;
    }
    const attempts = event.attempts + 1;
    const verdict = await this.attempt(event, attempts);
    if (verdict.delivered) {
      await this.written(() => endWaiting(database.db, claim, event));
      lane.failures = 0;
    } else if (this.isSpent(event)) {
      await this.giveUp(event, attempts, verdict.reason);
      // The next one is tried at once, and then at this lane's pace: what was in its way may have been this event.
      lane.failures++;
    } else {
      await this.written(() => noteAttempt(database.db, claim, event, attempts, verdict.reason));
      lane.failures = Math.max(lane.failures, event.attempts);
      return this.backOff(lane);
    }
    lane.waiting--;
    this.events--;
    this.bytes -= event.payload.length;
  }

  /**
   * Whether a failed attempt was the last one: there were enough, or the event has waited as long as they take. Otherwise
   * the events behind one that fails for a day would be a day each, one after the other.
   */
  private isSpent({ attempts, waitedMs }: WaitingEvent): boolean {
    const { maxAttempts } = this.parts;
    return attempts + 1 >= maxAttempts || waitedMs >= scheduleMs(maxAttempts);
  }

  private async attempt(event: WebhookEvent, attempt: number): Promise<Verdict> {
    const { sender, metrics, logger, claim } = this.parts;
    const verdict = await sender.send(event);
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
    logger[isNews ? 'warn' : 'debug']({ ...about, reason: verdict.reason }, 'a webhook could not be delivered');
    if (verdict.pauseMs !== undefined) this.pauseFor(verdict.pauseMs, verdict.reason);
    return verdict;
  }

  private async giveUp(event: WebhookEvent, attempts: number, reason: string): Promise<void> {
    const { database, claim, metrics, logger } = this.parts;
    const id = ulid();
    await this.written(() => giveUp(database.db, claim, id, event, attempts, reason));
    metrics.dead.inc();
    const { id: eventId, type, channel } = event;
    const about = { target: claim.target, deadLetter: id, eventId, type, channel, attempts, reason };
    logger.error(about, 'an event was given up: it is a dead letter');
  }

  private backOff(lane: Lane): void {
    lane.failures++;
    lane.retryTimer = setTimeout(
      () => {
        lane.retryTimer = undefined;
        this.consider(lane);
      },
      retryDelayMs(lane.failures, Math.random()),
    );
  }

  private pauseFor(ms: number, reason: string): void {
    const until = performance.now() + ms;
    if (this.stopped || until <= this.pausedUntil) return;
    this.pausedUntil = until;
    clearTimeout(this.pause);
    const { metrics, logger, claim } = this.parts;
    metrics.paused.set(1);
    logger.warn({ target: claim.target, reason, seconds: Math.ceil(ms / 1_000) }, 'nothing is sent for a while');
    this.pause = setTimeout(() => {
      this.pause = undefined;
      metrics.paused.set(0);
      this.pump();
    }, ms);
  }

  private onParked(lane: Lane, events: readonly ReadEvent[]): void {
    this.events += events.length;
    for (const read of events) {
      this.bytes += read.event.payload.length;
      this.parts.onSettled(read);
    }
    this.consider(lane);
  }

  /** Asks Postgres until it answers: nothing may be forgotten, and nothing may overtake what is not written down. */
  private async written<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof TargetLostError) throw error;
        if (this.stopped) throw new StoppedError();
        this.parts.logger.warn({ err: error, target: this.parts.claim.target }, 'Postgres is needed, trying again');
        await delay(DATABASE_RETRY_MS);
      }
    }
  }

  private onError(error: unknown): void {
    if (error instanceof StoppedError) return;
    if (!(error instanceof TargetLostError)) throw error;
    this.parts.onLost();
  }
}
