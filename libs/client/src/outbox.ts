import { PASSING, PING, type ClientRequest, type Frame } from './frames';
import {
  ClosedError,
  type HearthError,
  PublishError,
  PublishUncertainError,
  TimeoutError,
  type ErrorDetails,
} from './errors';
import type { Connection } from './connection';
import type { Off, Published } from './types';

/** Most that wait; a client that is away for long must not grow without end. */
const MAX_WAITING = 1_000;
/** Most that have been sent and are not answered. */
const MAX_UNANSWERED = 64;
/** After a refusal for going too fast one is sent at a time, and with every so many that are accepted one more. */
const WIDEN_BY = 1 / 16;
/** So long one is tried. */
const WAIT_MS = 30_000;
/** A server that answers nothing in this time, though it is there, may not know refs. */
const SILENT_MS = 5_000;
const MAX_DATA_BYTES = 32_768;

/** What a refusal is, by what was asked for. */
export type Refusal = new (message: string, details: ErrorDetails) => HearthError;

/** What the outbox needs of its client. */
export interface OutboxHost {
  /** The connection, once it is ready for messages. */
  ready(): Connection | undefined;
  /** Whether messages to a channel need not wait for its subscription. */
  maySend(channel: string): boolean;
  /** Who publishes to a channel: what its refs belong to. */
  uid(channel: string): string | null;
  /** Publishes over HTTP. @throws HearthError */
  post(frame: object, refusal: Refusal): Promise<Omit<Published, 'ref'>>;
  later(call: () => void, ms: number): Off;
}

interface Entry {
  readonly ref: string;
  readonly channel: string;
  readonly frame: ClientRequest;
  readonly refusal: Refusal;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: HearthError) => void;
  stopTimer?: Off;
  /** Where it is under way. */
  sentOn?: Connection;
  sentAtMs: number;
  /** Who sent it, once it was. */
  sentBy?: string | null;
}

/**
 * Messages that were asked for and are not answered (client-library §6), in the order of the calls. One that was under way
 * when its connection was lost is sent again under the same ref, before newer ones, and is accepted once.
 */
export class Outbox {
  private readonly entries: Entry[] = [];
  private prefix: string | undefined;
  private count = 0;
  private knowsRefs = false;
  /** The connection that HTTP is used instead of. */
  private unheard: Connection | undefined;
  private isPosting = false;
  /** Refusals for going too fast whose time has not passed: by timers, because a clock may be set, and be a moment behind them. */
  private pauses = 0;
  /** Of what may be unanswered at present. */
  private window = MAX_UNANSWERED;
  private readonly timers = new Set<Off>();

  constructor(private readonly host: OutboxHost) {}

  /** @throws HearthError of the kind `refusal` */
  add(channel: string, frame: ClientRequest, refusal: Refusal = PublishError): Promise<Published> {
    return new Promise((resolve, reject) => {
      // What cannot be JSON throws here, and so rejects.
      if (new TextEncoder().encode(JSON.stringify(frame.data)).length > MAX_DATA_BYTES) {
        return reject(new refusal('data exceeds 32 KiB', { code: 'DATA_TOO_LARGE' }));
      }
      if (this.entries.filter(({ sentOn }) => sentOn === undefined).length >= MAX_WAITING) {
        return reject(new refusal('too many messages wait', { code: 'QUEUE_FULL', retryable: true }));
      }
      const ref = `${(this.prefix ??= newPrefix())}-${(this.count++).toString(36)}`;
      const entry: Entry = { ref, channel, frame, refusal, resolve, reject, sentAtMs: 0 };
      entry.stopTimer = this.host.later(() => {
        const wasSent = entry.sentBy !== undefined;
        this.fail(entry, wasSent ? new PublishUncertainError() : new TimeoutError());
      }, WAIT_MS);
      this.entries.push(entry);
      this.flush();
    });
  }

  /** Sends what may be sent by now. */
  flush = (): void => {
    const connection = this.host.ready();
    // One after the other, also where HTTP is not needed any more.
    if (connection === undefined || this.isPosting || this.pauses > 0) return;
    if (connection === this.unheard) return void this.post();
    let unanswered = this.entries.filter(({ sentOn }) => sentOn === connection).length;
    const waiting = new Set<string>();
    for (const entry of [...this.entries]) {
      if (entry.sentOn === connection) continue;
      if (unanswered + 1 > this.window) return;
      if (waiting.has(entry.channel) || !this.host.maySend(entry.channel)) waiting.add(entry.channel);
      else if (this.send(entry, connection)) unanswered++;
    }
  };

  /** An answer has come. */
  answered({ ref, event, data, error }: Frame): void {
    const entry = this.entries.find((one) => one.ref === ref);
    this.knowsRefs = true;
    this.unheard = undefined;
    if (entry === undefined) return;
    if (event === 'hotsock.published') {
      this.window = Math.min(MAX_UNANSWERED, this.window + WIDEN_BY);
      this.remove(entry);
      entry.resolve({ ref: entry.ref, id: null, ...(data as Partial<Published>) });
    } else if (error?.code === 'RATE_LIMITED') {
      entry.sentOn = undefined;
      this.window = 1;
      this.pauses++;
      this.later(() => {
        this.pauses--;
        this.flush();
      }, error.retryAfterMs ?? 1_000);
    } else {
      const { code = 'ERROR', message = code } = error ?? {};
      this.fail(entry, new entry.refusal(message, { code, retryable: PASSING.has(code) }));
    }
    this.flush();
  }

  /** A connection has ended: what was under way on it is sent again where that cannot deliver it twice. */
  cut(connection: Connection): void {
    for (const entry of [...this.entries]) {
      if (entry.sentOn !== connection) continue;
      entry.sentOn = undefined;
      if (entry.sentBy === null) this.fail(entry, new PublishUncertainError());
    }
  }

  /** Nothing is sent any more. */
  close(): void {
    for (const entry of [...this.entries]) this.fail(entry, new ClosedError());
    for (const stop of this.timers) stop();
    this.timers.clear();
    this.pauses = 0;
  }

  private send(entry: Entry, connection: Connection): boolean {
    const uid = this.host.uid(entry.channel);
    if (entry.sentBy !== undefined && entry.sentBy !== uid) {
      this.fail(entry, new PublishUncertainError());
      return false;
    }
    try {
      connection.sendMessage(JSON.stringify({ ...entry.frame, ref: entry.ref }));
    } catch {
      return false;
    }
    entry.sentOn = connection;
    entry.sentBy = uid;
    entry.sentAtMs = performance.now();
    if (!this.knowsRefs) this.later(() => this.judgeSilence(entry, connection), SILENT_MS);
    return true;
  }

  /**
   * A connection that is alive and has never answered a ref may be one to a server that knows none: HTTP until one is answered,
   * or it is another connection, which is tried with one message.
   */
  private judgeSilence(entry: Entry, connection: Connection): void {
    if (this.knowsRefs || entry.sentOn !== connection) return;
    if (connection.heardAtMs <= entry.sentAtMs) {
      if (connection.isOpen) connection.sendMessage(PING);
      return this.later(() => this.judgeSilence(entry, connection), 1_000);
    }
    this.unheard = connection;
    this.window = 1;
    for (const one of [...this.entries]) if (one.sentOn !== undefined) this.fail(one, new PublishUncertainError());
    this.flush();
  }

  /** The oldest one, and then what may be sent by then. */
  private async post(): Promise<void> {
    const [entry] = this.entries;
    if (entry === undefined || !this.host.maySend(entry.channel)) return;
    this.isPosting = true;
    entry.sentBy = null;
    try {
      entry.resolve({ ref: entry.ref, ...(await this.host.post(entry.frame, entry.refusal)) });
    } catch (error) {
      // It may have been accepted, where nobody said that it was not.
      const { code } = error as HearthError;
      entry.reject(code === 'NOT_CONNECTED' ? new PublishUncertainError() : (error as HearthError));
    }
    this.isPosting = false;
    this.remove(entry);
    this.flush();
  }

  private later(call: () => void, ms: number): void {
    const stop = this.host.later(() => {
      this.timers.delete(stop);
      call();
    }, ms);
    this.timers.add(stop);
  }

  private fail(entry: Entry, error: HearthError): void {
    this.remove(entry);
    entry.reject(error);
  }

  private remove(entry: Entry): void {
    entry.stopTimer?.();
    entry.sentOn = undefined;
    const index = this.entries.indexOf(entry);
    if (index >= 0) this.entries.splice(index, 1);
  }
}

/** Two clients of one user, in tabs or over a reload, must not use the same refs. */
function newPrefix(): string {
  return [1, 2, 3].map(() => Math.random().toString(36).slice(2)).join('');
}
