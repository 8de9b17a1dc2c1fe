import { warnSeldom } from '@hearth/runtime';
import type { WebhookEvent } from '@hearth/store';
import {
  ConsumerLostError,
  ensureEventStream,
  extentOf,
  findStart,
  PullConsumer,
  type StreamMessage,
  type StreamPosition,
} from '@hearth/stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { TargetHost } from './target-host';
import type { TargetMetrics } from './target-metrics';
import { webhookEventOf } from './webhook-event';

/** Written down in one statement. */
const MAX_EVENTS = 1_000;
const MAX_BYTES = 2 * 1_048_576;
const RETRY_MS = 500;

/** Reads the events stream for one target, in order. */
export class EventReader {
  private consumer: PullConsumer | undefined;
  private stopping = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly host: TargetHost,
    private readonly target: string,
    private readonly metrics: TargetMetrics,
    /** Read so far. */
    private read: StreamPosition,
    /** Called with the events that are wanted, and up to where they were read; reading goes on when it resolves. */
    private readonly onEvents: (events: readonly WebhookEvent[], position: StreamPosition) => Promise<void>,
  ) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.consumer?.close();
    await this.running;
  }

  /** Events that the stream holds behind what was read. @throws Error while NATS cannot be asked */
  async behind(): Promise<number> {
    const { stream, config } = this.host;
    return Math.max(0, (await extentOf(stream, config.eventsStream)).last - this.read.sequence);
  }

  private async run(): Promise<void> {
    const { host, target } = this;
    while (!this.stopping) {
      try {
        await this.readOn();
      } catch (error) {
        if (error instanceof ConsumerLostError) host.logger.debug({ target, err: error }, 'reading again');
        else warnSeldom(host.logger, { target, err: error }, 'reading again');
        if (!this.stopping) await delay(RETRY_MS);
      } finally {
        this.consumer?.close();
        this.consumer = undefined;
      }
    }
  }

  private async readOn(): Promise<void> {
    const { target } = this;
    const { stream, config, logger } = this.host;
    await ensureEventStream(await stream.manager(), config);
    const { position, startAt, epochReason } = await findStart(stream, config.eventsStream, this.read);
    if (epochReason !== undefined) logger.error({ target }, `events may be missing: ${epochReason}`);
    this.read = position;
    // Whoever compares with the earlier life of the stream once more begins behind what has come meanwhile.
    if (epochReason !== undefined) await this.onEvents([], position);
    this.consumer = await PullConsumer.open(stream, config.eventsStream, startAt);
    let isContinuous = epochReason === undefined;
    // `stop` may have been called while there was no consumer to close.
    while (!this.stopping) {
      const messages = await this.consumer.next(MAX_EVENTS, MAX_BYTES);
      if (messages.length === 0) return;
      const events: WebhookEvent[] = [];
      for (const message of messages) {
        if (isContinuous) this.countMissed(message);
        isContinuous = true;
        this.read = { ...this.read, sequence: message.sequence, timeNs: message.timeNs };
        const event = webhookEventOf(message, this.read.epoch);
        if (config.webhookTypes.length === 0 || config.webhookTypes.includes(event.type)) events.push(event);
      }
      await this.onEvents(events, this.read);
    }
  }

  /** The stream drops its oldest events when they are too old or too many. */
  private countMissed({ sequence }: StreamMessage): void {
    const missed = sequence - this.read.sequence - 1;
    if (missed <= 0) return;
    this.metrics.missed.inc(missed);
    this.host.logger.error({ target: this.target, missed }, 'events left the stream before they could be read');
  }
}
