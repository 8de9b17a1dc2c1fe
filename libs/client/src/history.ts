import type { Frame } from './frames';
import { GapError, HistoryError, InvalidArgumentError } from './errors';
import { check, handled } from './listeners';
import { Seen } from './seen';
import type { Gap, HistoryOptions, Off } from './types';

/** What an iterator needs of its channel. */
export interface HistorySource {
  /** Keeps it subscribed. */
  hold(): Off;
  ready(): Promise<void>;
  onMessage(listener: (message: Frame) => void): Off;
  onGap(listener: (gap: Gap) => void): Off;
  onClosed(listener: (error: unknown) => void): Off;
  /** One page. @throws HistoryError */
  list(request: object, signal: AbortSignal | undefined): Promise<readonly Frame[]>;
}

/** Most live messages that wait for their reader. */
const MAX_BUFFERED = 10_000;
/** A page that could not be had is asked for again, as often. */
const RETRIES = 5;
const RETRY_MS = 500;

/** @throws InvalidArgumentError when the options contradict each other, TypeError when one is of another type */
export function checkHistoryOptions({ reverse, live, limit }: HistoryOptions): void {
  if (reverse && live) throw new InvalidArgumentError('reverse and live');
  check('number', { limit });
}

/**
 * The past of a channel and what comes behind it, without a hole or a repeat (client-library §5): what is live is kept back
 * while pages are read, because they may have it too.
 *
 * @throws GapError when something is missing that is not in history, HistoryError
 */
export async function* history(source: HistorySource, options: HistoryOptions): AsyncGenerator<Frame, void> {
  const { reverse = false, limit = Infinity, live = false, before, after, signal } = options;
  const live_ = new LiveBuffer(source, signal);
  const given = new Seen(MAX_BUFFERED);
  let cursor = reverse ? before : after;
  let count = 0;
  try {
    await live_.unlessEnded(source.ready());
    if (limit > 0) {
      for await (const message of pages(source, live_, options, cursor)) {
        if (isBeyond(message, reverse ? after : before, reverse)) break;
        cursor = message.id;
        count++;
        if (given.add(message.id ?? '')) yield message;
        if (count >= limit) break;
      }
    }
    if (reverse || (!live && (count >= limit || before !== undefined))) return;
    for (;;) {
      const next = live ? await live_.next() : live_.take();
      if (next === undefined) return;
      if (!('reason' in next)) {
        if (next.id !== undefined && !given.add(next.id)) continue;
        cursor = next.id ?? cursor;
        yield next;
        continue;
      }
      // What history has of the hole.
      for await (const message of pages(source, live_, options, cursor)) {
        if (given.add(message.id ?? '')) yield message;
      }
      throw new GapError(next);
    }
  } finally {
    live_.end();
  }
}

/** All messages from there on, a page at a time. */
async function* pages(
  source: HistorySource,
  live: LiveBuffer,
  { reverse, expandReactions, signal }: HistoryOptions,
  cursor: string | undefined,
): AsyncGenerator<Frame, void> {
  for (let attempt = 1; ;) {
    try {
      const request = { [reverse ? 'before' : 'after']: cursor, reverse, expandReactions };
      const messages = await live.unlessEnded(source.list(request, signal));
      if (messages.length === 0) return;
      yield* messages;
      cursor = messages.at(-1)?.id;
      attempt = 1;
    } catch (error) {
      live.throwIfEnded();
      if (!(error instanceof HistoryError) || !error.retryable || attempt >= RETRIES) throw error;
      await live.unlessEnded(new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt++)));
      await live.unlessEnded(source.ready());
    }
  }
}

/** Of two ids the text says which is older, as exactly as their clocks. */
function isBeyond({ id = '' }: Frame, end: string | undefined, reverse: boolean): boolean {
  return end !== undefined && (reverse ? id <= end : id >= end);
}

/** What comes while nobody has asked for it yet. */
class LiveBuffer {
  private readonly waiting: (Frame | Gap)[] = [];
  private readonly offs: Off[];
  private readonly ended: Promise<never>;
  private end_!: (error: unknown) => void;
  private failure: { readonly error: unknown } | undefined;
  private wake: () => void = () => undefined;

  constructor(source: HistorySource, signal: AbortSignal | undefined) {
    this.ended = handled(new Promise((_, reject) => (this.end_ = reject)));
    const abort = (): void => this.fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    this.offs = [
      source.onMessage((message) => this.add(message)),
      source.onGap((gap) => this.add(gap)),
      source.onClosed((error) => this.fail(error)),
      source.hold(),
      () => signal?.removeEventListener('abort', abort),
    ];
    if (signal?.aborted) abort();
  }

  take(): Frame | Gap | undefined {
    this.throwIfEnded();
    return this.waiting.shift();
  }

  async next(): Promise<Frame | Gap> {
    for (;;) {
      const next = this.take();
      if (next !== undefined) return next;
      await this.unlessEnded(new Promise<void>((resolve) => (this.wake = resolve)));
    }
  }

  unlessEnded<T>(what: Promise<T>): Promise<T> {
    return Promise.race([this.ended, what]);
  }

  throwIfEnded(): void {
    if (this.failure) throw this.failure.error;
  }

  end(): void {
    for (const off of this.offs) off();
  }

  private add(what: Frame | Gap): void {
    if (this.waiting.length >= MAX_BUFFERED) {
      return this.fail(new HistoryError('too many messages wait', { code: 'BUFFER_FULL' }));
    }
    this.waiting.push(what);
    this.wake();
  }

  private fail(error: unknown): void {
    this.failure ??= { error };
    this.end_(error);
  }
}
