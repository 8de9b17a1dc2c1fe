import { every, Repeated } from '@hearth/timing';
import { createInbox, headers, Msg, MsgHdrs } from 'nats';
import { StreamConnection, StreamFullError, StreamUnavailableError } from './connection';

export interface PublishOptions {
  /** The server drops a second publish with the same id within the stream's window, so a repeat is safe. */
  readonly messageId?: string;
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
  readonly messages: readonly OutgoingMessage[];
  readonly bytes: number;
  readonly headers: MsgHdrs | undefined;
  readonly deadline: number;
  sentAt: number;
  resolve(): void;
  reject(error: Error): void;
}

/** A confirmation that has not come after this long is asked for again (a stream's leader may have changed). */
const REPEAT_AFTER_MS = 2_000;
const SWEEP_MS = 250;

/**
 * Publishes to JetStream and waits for each confirmation, many at a time: all confirmations come to one inbox and are
 * matched by a token in its subject, which costs a fraction of a request each.
 *
 * What was unconfirmed at a disconnect is published again in the same order with the same ids; the caller's promise
 * settles only when the server confirmed, refused for good, or the time is up.
 */
export class AckedPublisher {
  private readonly inbox = createInbox();
  private readonly pending = new Map<string, Pending>();
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
      connection.listen(`${this.inbox}.*`, (message) => this.onAck(message)),
      connection.onReconnect(() => this.repeatAll()),
    ];
    this.sweeper = every(SWEEP_MS, () => this.sweep());
  }

  /**
   * @returns when the stream has stored the message
   * @throws StreamUnavailableError when NATS is away (at once), refuses, or does not confirm in time
   */
  publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    return this.enqueue([{ subject, payload }], options);
  }

  /**
   * Publishes messages of one stream, in order, and asks for the confirmation of the last one only: the server takes what
   * one connection sends in order, so it confirms all of them, at the cost of one. They are repeated together.
   */
  async publishInOrder(messages: readonly OutgoingMessage[]): Promise<void> {
    if (messages.length > 0) await this.enqueue(messages, {});
  }

  private enqueue(messages: readonly OutgoingMessage[], options: PublishOptions): Promise<void> {
    const limited = options.timeoutMs !== undefined;
    if (limited && !this.connection.isConnected) {
      return Promise.reject(new StreamUnavailableError('NATS is not connected'));
    }
    if (limited && this.pendingBytes > this.maxPendingBytes) {
      return Promise.reject(new StreamFullError('too many messages wait for NATS'));
    }
    return new Promise((resolve, reject) => {
      const now = performance.now();
      let bytes = 0;
      for (const { payload } of messages) bytes += payload.length;
      const pending: Pending = {
        messages,
        bytes,
        headers: messageHeaders(options),
        deadline: options.timeoutMs === undefined ? Infinity : now + options.timeoutMs,
        sentAt: now,
        resolve,
        reject,
      };
      const token = (this.next++).toString(36);
      this.pending.set(token, pending);
      this.pendingBytes += bytes;
      this.send(token, pending);
    });
  }

  close(): void {
    void this.sweeper.stop();
    for (const stop of this.stopListening) stop();
    for (const token of [...this.pending.keys()]) this.fail(token, new StreamUnavailableError('closing'));
  }

  private send(token: string, pending: Pending): void {
    pending.sentAt = performance.now();
    // What cannot be sent now is sent, in order, after the reconnect.
    if (!this.connection.isConnected) return;
    const { messages, headers } = pending;
    const last = messages.length - 1;
    try {
      messages.forEach(({ subject, payload }, index) => {
        const options = index < last ? { headers } : { headers, reply: `${this.inbox}.${token}` };
        this.connection.nats.publish(subject, payload, options);
      });
    } catch (error) {
      this.fail(token, new StreamUnavailableError('NATS refused the message', { cause: error }));
    }
  }

  private onAck(message: Msg): void {
    const token = message.subject.slice(this.inbox.length + 1);
    const pending = this.pending.get(token);
    if (pending === undefined) return;
    // An empty answer is the server's "no responders": no stream takes this subject at the moment.
    if (message.data.length === 0) {
      this.connection.missStream();
      return this.refuse(token, pending, new StreamUnavailableError('no stream takes the message'));
    }
    const text = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength).toString('latin1');
    if (text.includes('"error"')) return this.refuse(token, pending, refusal(text));
    this.forget(token, pending);
    pending.resolve();
  }

  /** A refusal ends a publish that has a time limit; one without a limit is tried again by the sweeper. */
  private refuse(token: string, pending: Pending, why: StreamUnavailableError): void {
    if (pending.deadline !== Infinity) this.fail(token, why);
  }

  private repeatAll(): void {
    for (const [token, pending] of this.pending) this.send(token, pending);
  }

  private sweep(): void {
    const now = performance.now();
    for (const [token, pending] of this.pending) {
      if (pending.deadline <= now) this.fail(token, new StreamUnavailableError('NATS did not confirm in time'));
    }
    if (!this.connection.isConnected) return;
    for (const [token, pending] of this.pending) {
      // Sent in order, so the first that is young enough ends the walk.
      if (pending.sentAt + REPEAT_AFTER_MS > now) break;
      this.send(token, pending);
    }
  }

  private fail(token: string, error: Error): void {
    const pending = this.pending.get(token);
    if (pending === undefined) return;
    this.forget(token, pending);
    pending.reject(error);
  }

  private forget(token: string, pending: Pending): void {
    this.pending.delete(token);
    this.pendingBytes -= pending.bytes;
  }
}

function messageHeaders(options: PublishOptions): MsgHdrs | undefined {
  if (options.messageId === undefined && options.headers === undefined) return undefined;
  const all = headers();
  if (options.messageId !== undefined) all.append('Nats-Msg-Id', options.messageId);
  for (const [name, value] of Object.entries(options.headers ?? {})) all.append(name, value);
  return all;
}

function refusal(answer: string): StreamUnavailableError {
  const { error } = JSON.parse(answer) as { error?: { description?: string } };
  const text = `JetStream refused the message: ${error?.description ?? 'unknown reason'}`;
  // Said by a stream that is at one of its limits; the error's number is shared with failures of its disk.
  return /maximum \w+( per subject)? exceeded/.test(text)
    ? new StreamFullError(text)
    : new StreamUnavailableError(text);
}
