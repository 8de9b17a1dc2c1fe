import { every, knownInstallationNow, Repeated } from '@hearth/timing';
import { encodeLanePlace, type LanePlace, SENT_AT_HEADER } from '@hearth/wire';
import { createInbox, Msg } from 'nats';
import { randomBytes } from 'node:crypto';
import { StreamConnection, StreamFullError, StreamUnavailableError } from './connection';
import { Fate, Lane } from './lane';
import { headerLine, publishByHand } from './nats-by-hand';

export interface PublishOptions {
  /** The server drops a second publish with the same id within the stream's window, so a repeat is safe. */
  readonly messageId?: string;
  /**
   * In place of an id: all with the same lane go to the same stream, whose reader leaves out what is not in the order of the
   * calls (`lane-place.ts`). So those that are accepted are in that order.
   */
  readonly lane?: number;
  /** It says when it was sent (`SENT_AT_HEADER`). */
  readonly isTimed?: boolean;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Give up after so many ms; without it the publish is repeated until it is confirmed. */
  readonly timeoutMs?: number;
}

/** One message of several that are confirmed together. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
}

interface Pending {
  readonly token: string;
  readonly messages: readonly OutgoingMessage[];
  readonly options: PublishOptions;
  readonly bytes: number;
  /** Without when it is sent. */
  readonly headers: string;
  readonly lane: Lane<string> | undefined;
  /** In its lane. */
  readonly number: number;
  readonly deadline: number;
  sentAt: number;
  /** How often it was sent. */
  attempts: number;
  /** Confirmations of the last attempt that have not come. */
  unconfirmed: number;
  /** The furthest that its confirmations have named. */
  place: number;
  readonly resolve: (place: number) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A confirmation that has not come after this long is asked for again (a stream's leader may have changed), then after twice
 * as long, and so on: a stream that is slow must not be sent everything again and again.
 */
const REPEAT_AFTER_MS = 1_000;
const LONGEST_REPEAT_AFTER_MS = 4_000;
const SWEEP_MS = 250;
/** `err_code` of JetStream. */
const STORE_FAILED = 10_077;

/**
 * Publishes to JetStream and waits for each confirmation, many at a time: all confirmations come to one inbox and are
 * matched by a token in its subject, which costs a fraction of a request each.
 *
 * What was unconfirmed at a disconnect is published again in the same order with the same ids; the caller's promise
 * settles only when the server confirmed, refused for good, or the time is up.
 *
 * A single NATS server stores what one connection sends in its order, and can lose the end of it only. A cluster may lose
 * any of it when a stream changes its leader; what must keep its order then is sent in a lane.
 */
export class AckedPublisher {
  private readonly inbox = createInbox();
  private readonly pending = new Map<string, Pending>();
  private readonly lanes = new Map<number, Lane<string>>();
  /** The lanes' name in their streams. */
  private readonly name = randomBytes(6).toString('base64url');
  private readonly sweeper: Repeated;
  private readonly stopListening: readonly (() => void)[];
  private next = 0;
  private pendingBytes = 0;

  constructor(
    private readonly connection: StreamConnection,
    /** Most bytes waiting for confirmation; past it a publish with a time limit fails at once. */
    private readonly maxPendingBytes = 64 * 1_048_576,
  ) {
    this.stopListening = [
      connection.listen(`${this.inbox}.>`, (message) => this.onAck(message)),
      connection.onReconnect(() => this.repeatAll()),
    ];
    this.sweeper = every(SWEEP_MS, () => this.sweep());
  }

  /**
   * @returns when the stream has stored the message
   * @throws StreamUnavailableError when NATS is away (at once), refuses, or does not confirm in time; when it stands behind
   *   a later one of its lane
   */
  async publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    await this.enqueue([{ subject, payload }], options);
  }

  /**
   * Publishes messages of one stream in order, and repeats them together. A single server is asked for the confirmation of
   * the last one only, which confirms all of them at the cost of one.
   *
   * @returns the place of one of them in the stream, once it has all; `undefined` where there are none
   */
  async publishInOrder(messages: readonly OutgoingMessage[]): Promise<number | undefined> {
    return messages.length > 0 ? this.enqueue(messages, {}) : undefined;
  }

  close(): void {
    void this.sweeper.stop();
    for (const stop of this.stopListening) stop();
    for (const pending of this.pending.values()) this.fail(pending, new StreamUnavailableError('closing'));
  }

  private enqueue(messages: readonly OutgoingMessage[], options: PublishOptions): Promise<number> {
    const { timeoutMs } = options;
    if (timeoutMs !== undefined && !this.connection.isConnected) {
      return Promise.reject(new StreamUnavailableError('NATS is not connected'));
    }
    if (timeoutMs !== undefined && this.pendingBytes > this.maxPendingBytes) {
      return Promise.reject(new StreamFullError('too many messages wait for NATS'));
    }
    const deadline = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    return new Promise((resolve, reject) => this.begin(messages, options, deadline, resolve, reject));
  }

  private begin(
    messages: readonly OutgoingMessage[],
    options: PublishOptions,
    deadline: number,
    resolve: (place: number) => void,
    reject: (error: Error) => void,
  ): void {
    const token = (this.next++).toString(36);
    const lane = options.lane === undefined ? undefined : this.lane(options.lane);
    const number = lane?.enter(token) ?? 0;
    let bytes = 0;
    for (const { payload } of messages) bytes += payload.length;
    const pending: Pending = {
      token,
      messages,
      options,
      bytes,
      headers: messageHeaders(options, lane === undefined ? undefined : { lane: this.name, number }),
      lane,
      number,
      deadline,
      sentAt: 0,
      attempts: 0,
      unconfirmed: 1,
      place: 0,
      resolve,
      reject,
    };
    this.pending.set(token, pending);
    this.pendingBytes += bytes;
    this.send(pending);
  }

  private lane(key: number): Lane<string> {
    let lane = this.lanes.get(key);
    if (lane === undefined) this.lanes.set(key, (lane = new Lane((token, fate) => this.settle(token, fate))));
    return lane;
  }

  private send(pending: Pending): void {
    const { messages, token } = pending;
    pending.sentAt = performance.now();
    const nowMs = pending.options.isTimed === true ? knownInstallationNow() : undefined;
    const headers = pending.headers + (nowMs === undefined ? '' : headerLine(SENT_AT_HEADER, String(nowMs)));
    // What cannot be sent now is sent, in order, after the reconnect.
    if (!this.connection.isConnected) return;
    const isEachConfirmed = this.connection.isClustered;
    pending.attempts++;
    pending.unconfirmed = isEachConfirmed ? messages.length : 1;
    const last = messages.length - 1;
    const reply = last === 0 ? `${this.inbox}.${token}` : `${this.inbox}.${token}.${pending.attempts}`;
    try {
      messages.forEach(({ subject, payload }, index) => {
        const isConfirmed = index === last || isEachConfirmed;
        publishByHand(this.connection.nats, { subject, payload, headers, reply: isConfirmed ? reply : undefined });
      });
    } catch (error) {
      this.fail(pending, new StreamUnavailableError('NATS refused the message', { cause: error }));
    }
  }

  private onAck(message: Msg): void {
    const [token = '', attempt] = message.subject.slice(this.inbox.length + 1).split('.', 2);
    const pending = this.pending.get(token);
    if (pending === undefined || (attempt !== undefined && Number(attempt) !== pending.attempts)) return;
    // An empty answer is the server's "no responders": no stream takes this subject at the moment.
    if (message.data.length === 0) {
      this.connection.missStream();
      return this.refuse(pending, new StreamUnavailableError('no stream takes the message'));
    }
    const text = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength).toString('latin1');
    if (text.includes('"error"')) return this.refuse(pending, this.refusal(text));
    const place = placeIn(text);
    // A leader calls a repeat a duplicate, at no place, of what it has taken and has not stored, and may never store.
    if (place === 0) return;
    pending.place = Math.max(pending.place, place);
    if (--pending.unconfirmed > 0) return;
    if (pending.lane === undefined) this.settle(token, 'accepted');
    else pending.lane.stored(pending.number, place, pending.attempts > 1);
  }

  private settle(token: string, fate: Fate): void {
    const pending = this.pending.get(token);
    if (pending === undefined) return;
    this.forget(pending);
    if (fate === 'accepted') return pending.resolve(pending.place);
    const { messages, options, deadline, resolve, reject } = pending;
    if (deadline === Infinity) this.begin(messages, options, deadline, resolve, reject);
    else reject(new StreamUnavailableError('a later message came before it'));
  }

  /** A refusal ends a publish that has a time limit; one without a limit is tried again by the sweeper. */
  private refuse(pending: Pending, why: StreamUnavailableError): void {
    if (pending.deadline !== Infinity) this.fail(pending, why, pending.attempts === 1);
  }

  private refusal(answer: string): StreamUnavailableError {
    const { error } = JSON.parse(answer) as { error?: { description?: string; err_code?: number } };
    const text = `JetStream refused the message: ${error?.description ?? 'unknown reason'}`;
    // Said by a stream that is at one of its limits; the error's number is shared with failures of its disk.
    if (/maximum \w+( per subject)? exceeded/.test(text)) return new StreamFullError(text);
    if (error?.err_code === STORE_FAILED) this.connection.missDisk(error.description ?? '');
    return new StreamUnavailableError(text);
  }

  private repeatAll(): void {
    for (const pending of this.pending.values()) if (pending.unconfirmed > 0) this.send(pending);
  }

  private sweep(): void {
    const now = performance.now();
    for (const pending of this.pending.values()) {
      if (pending.deadline <= now) this.fail(pending, new StreamUnavailableError('NATS did not confirm in time'));
    }
    if (!this.connection.isConnected) return;
    for (const pending of this.pending.values()) {
      const { sentAt, attempts, unconfirmed } = pending;
      const isDue = now - sentAt >= Math.min(attempts * REPEAT_AFTER_MS, LONGEST_REPEAT_AFTER_MS);
      // One that is confirmed waits for others of its lane.
      if (isDue && unconfirmed > 0) this.send(pending);
    }
  }

  /** @param isGone the stream certainly does not hold it */
  private fail(pending: Pending, error: Error, isGone = pending.attempts === 0): void {
    if (!this.pending.has(pending.token)) return;
    this.forget(pending);
    pending.lane?.failed(pending.number, isGone);
    pending.reject(error);
  }

  private forget({ token, bytes }: Pending): void {
    this.pending.delete(token);
    this.pendingBytes -= bytes;
  }
}

function messageHeaders(options: PublishOptions, place: LanePlace | undefined): string {
  const id = place === undefined ? options.messageId : encodeLanePlace(place);
  let lines = id === undefined ? '' : headerLine('Nats-Msg-Id', id);
  if (options.headers === undefined) return lines;
  for (const [name, value] of Object.entries(options.headers)) lines += headerLine(name, value);
  return lines;
}

/** The sequence that a confirmation names: `{"stream":"S", "seq":12, "duplicate": true}`. */
function placeIn(answer: string): number {
  const place = Number.parseInt(answer.slice(answer.indexOf('"seq":') + 6), 10);
  return Number.isNaN(place) ? 0 : place;
}
