import type { BackendEventName } from '@hearth/wire';

/** Events, and bytes of them, that may wait for the stream; past it the oldest are dropped (pubsub-events §4.4). */
const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 256 * 1_048_576;
/** So much is dropped at once, which is one line in the log and one move of the array. */
const DROPPED_SHARE = 0.01;

/** What is known of an event that was published. */
export interface Publication {
  /** Resolves when nothing should wait for it any longer: it is over, or the stream takes no events at the moment. */
  readonly released: Promise<void>;
  /** The stream holds it, or it was dropped; never of one that was withdrawn. */
  readonly isOver: boolean;
  /** Called when it is. */
  onOver: (() => void) | undefined;
}

/** An event as the stream shall have it. */
export interface EncodedEvent {
  readonly id: string;
  readonly name: BackendEventName;
  readonly channel: string | undefined;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Buffer;
}

/** An event that the stream is not known to hold. */
export interface WaitingEvent extends EncodedEvent {
  /** They are numbered as they come. */
  readonly number: number;
  /** `performance.now()` */
  readonly since: number;
  /** Ends the wait of the one who published it. */
  readonly release: () => void;
  readonly publication: Publication & { isOver: boolean };
  /** For whom it was published. */
  readonly owner: object | undefined;
  /** It is on its way, and shall not be sent again. */
  isWithdrawn: boolean;
}

/** Who is told what becomes of the events. */
export interface EventBufferReport {
  readonly dropped: (events: number) => void;
  /** So many more, or fewer, wait. */
  readonly waiting: (change: number) => void;
}

/** The events that wait for the stream, in the order in which they were published, within bounds. */
export class EventBuffer implements Iterable<WaitingEvent> {
  /** Of the first `inFlight`, some or all are on their way. */
  private readonly waiting: WaitingEvent[] = [];
  private bytes = 0;
  private inFlight = 0;
  private published = 0;
  /** Those who wait until nothing waits of what was published before an event, in its order. */
  private listeners: { readonly before: number; readonly resolve: () => void }[] = [];

  constructor(private readonly report: EventBufferReport) {}

  get size(): number {
    return this.waiting.length;
  }

  get oldest(): WaitingEvent | undefined {
    return this.waiting[0];
  }

  [Symbol.iterator](): Iterator<WaitingEvent> {
    return this.waiting.values();
  }

  add(event: EncodedEvent, owner: object | undefined): WaitingEvent {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const publication = { released, isOver: false, onOver: undefined };
    const place = { number: this.published++, since: performance.now() };
    const waiting = { ...event, ...place, release, publication, owner, isWithdrawn: false };
    this.waiting.push(waiting);
    this.report.waiting(1);
    this.bytes += event.payload.length;
    return waiting;
  }

  /** Some of the first `count` leave now, and none of them is dropped or moved until `arrive`. */
  depart(count: number): void {
    this.inFlight = count;
  }

  /** @param arrived what is over of those that left; the others stay where they are, in order */
  arrive(arrived: ReadonlySet<WaitingEvent>): void {
    const departed = this.waiting.splice(0, this.inFlight);
    this.inFlight = 0;
    const kept = departed.filter((event) => !arrived.has(event) && !event.isWithdrawn);
    this.waiting.unshift(...kept);
    for (const event of departed) {
      if (arrived.has(event)) this.end(event);
      else if (event.isWithdrawn) this.leave(event);
    }
    this.report.waiting(kept.length - departed.length);
    this.tell();
  }

  /** Drops the oldest that are not on their way when too much waits. */
  makeRoom(): void {
    if (this.waiting.length <= MAX_WAITING && this.bytes <= MAX_WAITING_BYTES) return;
    const share = 1 - DROPPED_SHARE;
    let [count, bytes] = [0, this.bytes];
    while (this.waiting.length - count > MAX_WAITING * share || bytes > MAX_WAITING_BYTES * share) {
      const next = this.waiting[this.inFlight + count];
      if (next === undefined) break;
      bytes -= next.payload.length;
      count++;
    }
    this.drop(count);
  }

  /** Forgets the events of an owner: somebody else will publish them. Those on their way may arrive. */
  withdraw(owner: object): void {
    for (const event of this.waiting) if (event.owner === owner) event.isWithdrawn = true;
    const rest = this.waiting.splice(this.inFlight);
    const kept = rest.filter(({ isWithdrawn }) => !isWithdrawn);
    this.waiting.push(...kept);
    for (const event of rest) if (event.isWithdrawn) this.leave(event);
    this.report.waiting(kept.length - rest.length);
    this.tell();
  }

  /** What still waits is lost, but for what has an owner, who sees to it. Nobody is told any more when something arrives. */
  close(): void {
    this.listeners = [];
    this.inFlight = 0;
    for (const event of this.waiting) event.isWithdrawn ||= event.owner !== undefined;
    this.drop(this.waiting.length);
  }

  /** Ends the waits for all events, or for those of an owner. */
  release(owner?: object): void {
    for (const event of this.waiting) if (owner === undefined || event.owner === owner) event.release();
  }

  /** Resolves when nothing waits of what was published until now. */
  told(): Promise<void> {
    if (this.waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.listeners.push({ before: this.published, resolve }));
  }

  private drop(count: number): void {
    if (count === 0) return;
    const gone = this.waiting.splice(this.inFlight, count);
    for (const event of gone) this.end(event);
    this.report.waiting(-count);
    const dropped = gone.filter(({ isWithdrawn }) => !isWithdrawn).length;
    if (dropped > 0) this.report.dropped(dropped);
    this.tell();
  }

  private end(event: WaitingEvent): void {
    this.leave(event);
    // Its owner goes on seeing to it.
    if (event.isWithdrawn) return;
    event.publication.isOver = true;
    event.publication.onOver?.();
  }

  private leave({ payload, release }: WaitingEvent): void {
    this.bytes -= payload.length;
    release();
  }

  private tell(): void {
    const oldest = this.waiting[0]?.number ?? Infinity;
    const end = this.listeners.findIndex(({ before }) => before > oldest);
    for (const { resolve } of this.listeners.splice(0, end < 0 ? this.listeners.length : end)) resolve();
  }
}
