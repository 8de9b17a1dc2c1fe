import type { HearthConfig, Logger } from '@hearth/runtime';
import type { TargetPosition, WebhookEvent } from '@hearth/store';
import {
  ConsumerLostError,
  ensureEventStream,
  extentOf,
  findStart,
  PullConsumer,
  type StreamConnection,
  type StreamExtent,
  type StreamMessage,
  type StreamPosition,
  type StreamStart,
} from '@hearth/stream';
import { PositionTracker } from './rules/position-tracker';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadEvent } from './lane';
import type { TargetMetrics } from './target-metrics';
import { webhookEventOf } from './webhook-event';

/** What is read and not settled may take so much memory for one target. */
const MAX_EVENTS = 1_000;
const MAX_BYTES = 8 * 1_048_576;
/** Events that nobody wants are settled at once, but stay noted until those before them are. */
const MAX_PLACES = 20_000;
const RETRY_MS = 500;

export interface EventReaderParts {
  readonly target: string;
  readonly stream: StreamConnection;
  readonly config: HearthConfig;
  readonly metrics: TargetMetrics;
  readonly logger: Logger;
  /** Whether more may be taken, beyond what is unsettled. */
  readonly hasRoom: () => boolean;
  /** Called before the first event, with those that are going to be read again, if any. */
  readonly onBegin: (readAgain: SequenceRange | undefined) => Promise<void>;
  readonly onEvent: (read: ReadEvent) => void;
}

/** Sequences of one life of the stream, both inclusive. */
export interface SequenceRange {
  readonly streamEpoch: number;
  readonly from: number;
  readonly to: number;
}

/** Reads the events stream for one target, in order, and knows up to where everything is settled. */
export class EventReader {
  private readonly tracker: PositionTracker<StreamPosition>;
  private read: StreamPosition;
  private consumer: PullConsumer | undefined;
  private events = 0;
  private bytes = 0;
  private wake: (() => void) | undefined;
  private stopping = false;
  private running: Promise<void> = Promise.resolve();
  private isFirst = true;

  constructor(
    private readonly parts: EventReaderParts,
    position: TargetPosition,
  ) {
    this.read = position;
    this.tracker = new PositionTracker<StreamPosition>(position);
  }

  /** Everything up to here is settled. */
  get position(): StreamPosition {
    return this.tracker.settled;
  }

  /** Events that are read and not settled. */
  get unsettled(): number {
    return this.events;
  }

  /** Whether what is unsettled keeps it from reading on. */
  get isFull(): boolean {
    return this.events >= MAX_EVENTS || this.bytes >= MAX_BYTES || this.tracker.size >= MAX_PLACES;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.consumer?.close();
    this.roomMade();
    await this.running;
  }

  /** The event need not be read again. */
  settle({ event, place }: ReadEvent): void {
    this.tracker.settle(place);
    this.events--;
    this.bytes -= event.payload.length;
    this.roomMade();
  }

  /** There may be room now. */
  roomMade(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }

  /** Events that the stream holds behind what was read; undefined while NATS is away. */
  async behind(): Promise<number | undefined> {
    try {
      return Math.max(0, (await this.extent()).last - this.read.sequence);
    } catch {
      return undefined;
    }
  }

  private async run(): Promise<void> {
    const { logger, target } = this.parts;
    while (!this.stopping) {
      try {
        await this.readOn();
      } catch (error) {
        logger[error instanceof ConsumerLostError ? 'debug' : 'warn']({ target, err: error }, 'reading again');
        if (!this.stopping) await delay(RETRY_MS);
      } finally {
        this.consumer?.close();
        this.consumer = undefined;
      }
    }
  }

  private async readOn(): Promise<void> {
    const { stream, config } = this.parts;
    await ensureEventStream(await stream.manager(), config);
    const start = await findStart(stream, config.eventsStream, this.read);
    await this.begin(start);
    this.consumer = await PullConsumer.open(stream, config.eventsStream, start.startAt);
    let isContinuous = start.epochReason === undefined;
    // `stop` may have been called while there was no consumer to close.
    while (!this.stopping) {
      await this.room();
      const messages = this.stopping ? [] : await this.consumer.next(MAX_EVENTS - this.events);
      if (messages.length === 0) return;
      for (const message of messages) {
        if (isContinuous) this.countMissed(message);
        isContinuous = true;
        this.take(message);
      }
    }
  }

  private async begin({ position, epochReason }: StreamStart): Promise<void> {
    const { logger, target, onBegin } = this.parts;
    const isSame = epochReason === undefined;
    if (!isSame) logger.error({ target }, `events may be missing: ${epochReason}`);
    if (this.isFirst) {
      const { first, last } = await this.extent();
      const from = Math.max(position.sequence + 1, first);
      await onBegin(isSame ? { streamEpoch: position.epoch, from, to: last } : undefined);
    }
    this.read = position;
    this.isFirst = false;
  }

  private extent(): Promise<StreamExtent> {
    return extentOf(this.parts.stream, this.parts.config.eventsStream);
  }

  /** The stream drops its oldest events when they are too old or too many. */
  private countMissed({ sequence }: StreamMessage): void {
    const missed = sequence - this.read.sequence - 1;
    if (missed <= 0) return;
    const { metrics, logger, target } = this.parts;
    metrics.missed.inc(missed);
    logger.error({ target, missed }, 'events left the stream before they could be read');
  }

  private take(message: StreamMessage): void {
    this.read = { ...this.read, sequence: message.sequence, timeNs: message.timeNs };
    const place = this.tracker.take(this.read);
    const event: WebhookEvent = webhookEventOf(message, this.read.epoch);
    const { webhookTypes } = this.parts.config;
    if (webhookTypes.length > 0 && !webhookTypes.includes(event.type)) return this.tracker.settle(place);
    this.events++;
    this.bytes += event.payload.length;
    this.parts.onEvent({ event, place, attempts: 0 });
  }

  private async room(): Promise<void> {
    while (!this.stopping && (this.isFull || !this.parts.hasRoom())) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
