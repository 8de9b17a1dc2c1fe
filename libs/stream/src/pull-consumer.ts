import { every, Repeated } from '@hearth/timing';
import { SENT_AT_HEADER, sentAtMs } from '@hearth/wire';
import { AckPolicy, ConsumerConfig, createInbox, DeliverPolicy, Msg, nanos, Subscription } from 'nats';
import { StreamConnection } from './connection';
import { headerIn, headersOf, statusIn } from './nats-by-hand';

/** A message as a stream holds it. */
export interface StreamMessage {
  readonly sequence: number;
  /** Nanoseconds since 1970, decimal; given by the stream when it stored the message. */
  readonly timeNs: string;
  readonly timeMs: number;
  readonly subject: string;
  /** By which its publisher named it, if it did. */
  readonly messageId?: string;
  /** When its publisher sent it (`SENT_AT_HEADER`), if it said so. */
  readonly sentMs?: number;
  readonly payload: Uint8Array;
  /** Messages that the stream holds after this one for this consumer. */
  readonly pending: number;
}

/** Where a consumer begins. */
export type StartAt =
  | { readonly sequence: number }
  /** Milliseconds since 1970: the first message stored at or after. */
  | { readonly timeMs: number }
  | 'first'
  /** Only the newest message of each subject, in the order of the stream; needs a filter. */
  | 'newest of each';

/**
 * One pull request asks for this much unless it is told otherwise, or for the largest message that there can be, because the server gives no message
 * that is larger than a request; the next is sent when all of it has been taken.
 */
const PULL_MESSAGES = 2_000;
const PULL_BYTES = 8 * 1_048_576;
/** The server counts subjects too. */
const SUBJECT_BYTES = 16_384;
const PULL_EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 2_000;
/** No sign of the server for this long: the consumer is considered gone. */
const SILENCE_MS = 3 * HEARTBEAT_MS;

/** The server keeps a consumer that nobody pulls from for this long. */
const INACTIVE_MS = 60_000;

/** The consumer is gone, skipped something, or the server fell silent: open another from the last message taken. */
export class ConsumerLostError extends Error {
  override readonly name = 'ConsumerLostError';
}

/**
 * Reads one stream in its order, without acknowledgements: JetStream's redelivery puts later messages before earlier
 * ones as soon as more than one is unacknowledged. The reader's position is its own business.
 *
 * Only one pull request is open at a time and the next one waits until the reader has caught up, so no more than one
 * request asked for waits in memory, however much the stream holds.
 */
export class PullConsumer {
  private readonly queue: StreamMessage[] = [];
  private readonly inbox = createInbox();
  private readonly subscription: Subscription;
  private readonly watchdog: Repeated;
  private readonly stopListening: () => void;
  private wake: (() => void) | undefined;
  private failure: Error | undefined;
  private outstanding = 0;
  private pulls = 0;
  private consumerSequence = 0;
  private lastSignAt = performance.now();
  /** What the server had sent by the last look, and what had come. */
  private lastLook = { sent: 0, taken: 0 };

  private constructor(
    private readonly connection: StreamConnection,
    private readonly stream: string,
    private readonly consumer: string,
    /** Messages that the stream had for this consumer when it was opened. */
    readonly pendingAtStart: number,
    /** The place in the stream behind which it began to read. */
    readonly sequenceAtStart: number,
    /** What stands here or before has been taken. */
    private lastSequence: number,
    private readonly pullBytes: number,
  ) {
    this.subscription = connection.nats.subscribe(`${this.inbox}.*`, {
      callback: (_, message) => this.onMessage(message),
    });
    this.stopListening = connection.onReconnect(() => this.fail('NATS reconnected'));
    this.watchdog = every(HEARTBEAT_MS, () => this.watch());
    this.pull();
  }

  /**
   * @param filterSubject only messages with this subject
   * @param pullBytes at most so much waits in memory, or the largest message that there can be
   */
  static async open(
    connection: StreamConnection,
    stream: string,
    start: StartAt,
    filterSubject?: string,
    pullBytes = PULL_BYTES,
  ): Promise<PullConsumer> {
    const manager = await connection.manager();
    const { name, num_pending, delivered } = await manager.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      ...deliverPolicy(start),
      filter_subject: filterSubject,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    const last = typeof start === 'object' && 'sequence' in start ? start.sequence - 1 : 0;
    return new PullConsumer(connection, stream, name, num_pending, delivered.stream_seq, last, pullBytes);
  }

  /**
   * Everything that has arrived, at most `max` and no more than `maxBytes` (one that is larger comes alone); waits for
   * the first. Empty once `close` was called.
   *
   * @throws ConsumerLostError
   */
  async next(max: number, maxBytes = Infinity): Promise<StreamMessage[]> {
    while (this.queue.length === 0) {
      if (this.failure !== undefined) throw this.failure;
      if (this.subscription.isClosed()) return [];
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const taken = this.queue.splice(0, Math.min(max, this.countWithin(maxBytes)));
    if (this.queue.length === 0 && this.outstanding === 0) this.pull();
    return taken;
  }

  /**
   * Closes it when the stream has nothing more for it, and all that was sent has been taken. For who reads to an end: nobody knows
   * when NATS is back, and then it has to be opened again anyway.
   */
  async closeIfDone(): Promise<void> {
    if (!this.connection.isConnected) return this.fail('NATS is away');
    const manager = await this.connection.manager();
    const { num_pending, delivered } = await manager.consumers.info(this.stream, this.consumer);
    // The answer may have come another way than messages that are still under way, but those do not take until the next look.
    const { sent, taken } = this.lastLook;
    if (sent > this.consumerSequence && taken === this.consumerSequence) return this.fail('a message was lost');
    this.lastLook = { sent: delivered.consumer_seq, taken: this.consumerSequence };
    const hasAll = delivered.consumer_seq === this.consumerSequence && this.queue.length === 0;
    if (num_pending === 0 && hasAll) this.close();
  }

  close(): void {
    this.stop();
    this.signal();
    if (!this.connection.isConnected) return;
    // Best effort: the server drops it by itself when nobody pulls.
    this.connection.nats.publish(`$JS.API.CONSUMER.DELETE.${this.stream}.${this.consumer}`);
  }

  private countWithin(maxBytes: number): number {
    let bytes = 0;
    const end = this.queue.findIndex(({ payload }) => (bytes += payload.length) > maxBytes);
    return end < 0 ? this.queue.length : Math.max(1, end);
  }

  private stop(): void {
    void this.watchdog.stop();
    this.stopListening();
    if (!this.connection.nats.isClosed()) this.subscription.unsubscribe();
  }

  private pull(): void {
    if (this.failure !== undefined || this.subscription.isClosed()) return;
    this.outstanding = PULL_MESSAGES;
    this.pulls++;
    const request = {
      batch: PULL_MESSAGES,
      max_bytes: Math.max(this.pullBytes, this.connection.maxPayload + SUBJECT_BYTES),
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
    };
    this.connection.nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.consumer}`, JSON.stringify(request), {
      reply: `${this.inbox}.${this.pulls}`,
    });
  }

  private onMessage(message: Msg): void {
    this.lastSignAt = performance.now();
    const headers = headersOf(message);
    const status = statusIn(headers);
    if (status === undefined) return this.onData(message, headers);
    if (status.code === 100) return;
    // A status of an earlier pull request says nothing about the present one.
    if (!message.subject.endsWith(`.${this.pulls}`)) return;
    // 404 and 408: the request ran out. 409: it reached its size ("Batch Completed" since 2.10), or the consumer is gone. 503:
    // it is gone since before the request.
    const { code, description } = status;
    const hasRunOut = [404, 408].includes(code) || /max ?bytes|exceeded|batch completed/i.test(description);
    if (!hasRunOut) return this.fail(`consumer is gone (${code} ${description})`);
    this.outstanding = 0;
    if (this.queue.length === 0) this.pull();
  }

  private onData(message: Msg, headers: string): void {
    if (this.failure !== undefined || message.reply === undefined) return;
    const place = parseAckSubject(message.reply);
    if (place.consumerSequence !== this.consumerSequence + 1) return this.fail('a message was skipped');
    // A server of a cluster that is restarted may find the stream shorter than it was, and begin there again; and every
    // server begins at the end that it knows, where it is asked to begin behind it.
    if (place.sequence <= this.lastSequence)
      return this.fail(`it went back from ${this.lastSequence} to ${place.sequence}`);
    this.lastSequence = place.sequence;
    this.consumerSequence = place.consumerSequence;
    this.outstanding--;
    this.queue.push({
      sequence: place.sequence,
      timeNs: place.timeNs,
      timeMs: Math.floor(Number(place.timeNs.slice(0, -3)) / 1_000),
      subject: message.subject,
      messageId: headerIn(headers, 'Nats-Msg-Id'),
      sentMs: sentAtMs(headerIn(headers, SENT_AT_HEADER)),
      payload: message.data,
      pending: place.pending,
    });
    this.signal();
  }

  private watch(): void {
    if (!this.connection.isConnected) {
      this.lastSignAt = performance.now();
    } else if (this.outstanding > 0 && performance.now() - this.lastSignAt > SILENCE_MS) {
      this.fail('the server fell silent');
    }
  }

  private fail(why: string): void {
    if (this.failure !== undefined) return;
    this.failure = new ConsumerLostError(`${this.stream}: ${why}`);
    this.stop();
    this.signal();
  }

  private signal(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }
}

function deliverPolicy(start: StartAt): Pick<ConsumerConfig, 'deliver_policy' | 'opt_start_seq' | 'opt_start_time'> {
  if (start === 'first') return { deliver_policy: DeliverPolicy.All };
  if (start === 'newest of each') return { deliver_policy: DeliverPolicy.LastPerSubject };
  if ('sequence' in start) {
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, start.sequence) };
  }
  return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(start.timeMs).toISOString() };
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`, with two more tokens before
 * and one after in newer servers.
 */
function parseAckSubject(subject: string): {
  sequence: number;
  consumerSequence: number;
  timeNs: string;
  pending: number;
} {
  const tokens = subject.split('.');
  const first = tokens.length > 9 ? 7 : 5;
  return {
    sequence: Number(tokens[first]),
    consumerSequence: Number(tokens[first + 1]),
    timeNs: tokens[first + 2] ?? '0',
    pending: Number(tokens[first + 3]),
  };
}
