import { setTimeout as delay } from 'node:timers/promises';
import { BackendEvent, encodeBackendEvent, EventsFormat, EventVersions } from '@hearth/wire';
import { NatsError } from 'nats';
import { AckedPublisher } from './acked-publisher';
import { ConnectionLog, StreamConnection } from './connection';
import { EventBuffer, type EventBufferReport, type Publication, type WaitingEvent } from './event-buffer';
import { EventOrder } from './event-order';
import { ensureEventStream, EventStreamSettings } from './streams';

export interface EventPublisherSettings extends EventStreamSettings {
  /** `metadata.hotsockVersion` */
  readonly compatVersion: string;
  readonly eventsFormat: EventsFormat;
}

/** Events, and bytes of them, that are on their way at a time: a fraction of a second of the stream's work. */
const BATCH_EVENTS = 256;
const BATCH_BYTES = 4 * 1_048_576;
/** When more than so many wait, a batch is sent in one go: some channel has more events than its turns. */
const TAKE_TURNS_UP_TO = 1_000;
/** Longest that anything waits for an event while NATS is there; clients' own waits are 5 s and more. */
const PATIENCE_MS = 2_000;
/** What was not confirmed so long is sent again; the stream knows ids for two minutes. */
const CONFIRM_WITHIN_MS = 10_000;
const RETRY_MS = 500;
const COMPLAIN_EVERY_MS = 60_000;
/** Said when nothing better is known: a reason that comes later is told as well. */
const TOO_LATE = 'it does not confirm in time';
/** Longest that the end of the process waits for a stream that was behind. */
const SETTLE_MS = 2_000;

/** What operators are told. */
export interface EventPublisherReport extends EventBufferReport {
  /** When the stream stops taking events, and why, and when it takes them again. */
  readonly log: ConnectionLog;
}

/**
 * Backend events on JetStream (pubsub-events). They wait in a bounded buffer and leave it in order, one batch after the
 * other, so that what one batch was refused for does not let a later one overtake it.
 *
 * They never delay anything else (§4.4). Who publishes may wait for the confirmation, and does not have to for long: when
 * the stream refuses an event or does not confirm it in time although NATS is there, the publisher is behind, and nobody
 * waits until it has caught up. What is in the buffer is tried again all the while, one event at a time.
 */
export class EventPublisher {
  private readonly publisher: AckedPublisher;
  private readonly versions: EventVersions;
  private readonly stopListening: () => void;
  private readonly buffer: EventBuffer;
  /** Those who wait for the stream to exist. */
  private askers: (() => void)[] = [];
  /** Somebody wants the stream, with or without an event. */
  private isWanted = false;
  /** The stream exists, as far as is known. */
  private isEnsured = false;
  /** The last attempt failed: the next one is a single event. */
  private isRefused = false;
  private isBehind = false;
  private complainedAt = -Infinity;
  private complainedOf = '';
  private connectedAt = 0;
  private running: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    private readonly connection: StreamConnection,
    private readonly settings: EventPublisherSettings,
    /** `metadata.hearthVersion` */
    version: string,
    private readonly report: EventPublisherReport,
  ) {
    this.publisher = new AckedPublisher(connection);
    this.buffer = new EventBuffer(report);
    this.versions = { compatVersion: settings.compatVersion, version };
    this.stopListening = connection.onReconnect(() => this.onReconnect());
  }

  private get isConnected(): boolean {
    return this.connection.isConnected;
  }

  /**
   * Creates the stream unless it exists, so that consumers can be set up before the first event. Tries until it exists.
   *
   * @returns when it exists, or could not be created at the first attempt
   */
  ensureStream(): Promise<void> {
    return new Promise((resolve) => {
      this.askers.push(resolve);
      this.isWanted = true;
      this.start();
    });
  }

  /**
   * Publishes an event; events leave in the order of the calls. A repeat with the same id is recognised by the stream.
   *
   * @returns when nothing should wait for it any longer: the stream holds it, or it was dropped, or the stream takes no
   *   events at the moment
   */
  publish(event: BackendEvent): Promise<void> {
    return this.offer(event).released;
  }

  /**
   * As `publish`, for somebody who wants to know what becomes of the event.
   *
   * @param owner whose events can be withdrawn together, and who sees to it that those are published again that still wait when
   *   this is closed
   */
  offer(event: BackendEvent, owner?: object): Publication {
    const { eventsSubjectPrefix, eventsFormat } = this.settings;
    const encoded = encodeBackendEvent(event, eventsSubjectPrefix, this.versions, eventsFormat);
    const { id, name, channel } = event;
    const { publication, release } = this.buffer.add({ ...encoded, id, name, channel }, owner);
    if (this.isClosed) this.buffer.close();
    else {
      this.buffer.makeRoom();
      if (this.isBehind) release();
      this.start();
    }
    return publication;
  }

  /** Nothing shall wait any longer for the events of an owner, who sees to those that still wait. */
  release(owner: object): void {
    this.buffer.release(owner);
  }

  /** Forgets the events of an owner that still wait: somebody else will publish them. Those on their way may arrive. */
  withdraw(owner: object): void {
    this.buffer.withdraw(owner);
  }

  /**
   * @returns when the stream holds everything that was published until now, but for what had to be dropped or was withdrawn;
   *   that may take as long as the stream is away, and never comes once this is closed
   */
  told(): Promise<void> {
    return this.isClosed ? new Promise(() => undefined) : this.buffer.told();
  }

  /** When everything that waits is confirmed, or that takes too long. */
  async settle(): Promise<void> {
    if (!this.isConnected) return;
    await Promise.race([this.running, delay(SETTLE_MS, undefined, { ref: false })]);
  }

  /** What is not confirmed is lost, unless it has an owner. */
  close(): void {
    this.isClosed = true;
    this.stopListening();
    this.publisher.close();
    this.buffer.close();
    this.releaseAskers();
  }

  private start(): void {
    this.running ??= this.run();
  }

  private async run(): Promise<void> {
    // What this turn of the event loop publishes leaves together.
    await Promise.resolve();
    while (!this.isClosed && (this.buffer.size > 0 || this.isWanted)) {
      if (!(await this.attempt())) await delay(RETRY_MS, undefined, { ref: false });
    }
    // In the same turn in which nothing waits, or what comes next would find nobody who sends it.
    this.running = undefined;
  }

  /** @returns whether it may go on at once */
  private async attempt(): Promise<boolean> {
    if (!this.isConnected) return false;
    const { connectedAt } = this;
    const late = setTimeout(() => this.fallBehindWhenLate(), PATIENCE_MS);
    late.unref();
    try {
      await this.ensure();
      await this.sendBatch();
      if (this.isClosed) return false;
      this.isRefused = false;
      if (!this.isLate()) this.catchUp();
      return true;
    } catch (error) {
      if (this.isClosed) return false;
      this.isRefused = true;
      this.isEnsured = false;
      // What failed because NATS was away for a moment says nothing about the stream.
      if (this.isConnected && connectedAt === this.connectedAt) this.fallBehind(reasonOf(error));
      return false;
    } finally {
      clearTimeout(late);
    }
  }

  private async ensure(): Promise<void> {
    if (!this.isEnsured) await ensureEventStream(await this.connection.manager(), this.settings);
    this.isEnsured = true;
    this.isWanted = false;
    this.releaseAskers();
  }

  /** @throws the reason of the first that was refused; those that were stay where they are, in order */
  private async sendBatch(): Promise<void> {
    const { batch, scanned } = this.nextBatch();
    this.buffer.depart(scanned);
    const confirmations = await Promise.allSettled(
      batch.map(({ id, subject, headers, payload }) =>
        this.publisher.publish(subject, payload, { messageId: id, headers, timeoutMs: CONFIRM_WITHIN_MS }),
      ),
    );
    if (this.isClosed) return;
    const arrived = new Set<WaitingEvent>();
    let why: Error | undefined;
    batch.forEach((event, index) => {
      const confirmation = confirmations[index];
      if (confirmation?.status === 'rejected' && !isTooLarge(confirmation.reason)) {
        why ??= confirmation.reason as Error;
        return;
      }
      arrived.add(event);
      // One that no attempt will bring through must not stop the others.
      if (confirmation?.status === 'rejected') this.report.dropped(1);
    });
    this.buffer.arrive(arrived);
    if (why !== undefined) throw why;
  }

  /**
   * What is sent next, and how many of those that wait were looked at for it. A single server stores what it is sent in that
   * order. A cluster that changes the stream's leader may lose an event and take the next, so there the events of a channel
   * take turns (`EventOrder`), unless too many wait: the batch before has just been stored, and a leader does not change
   * within the millisecond in which this one is sent.
   */
  private nextBatch(): { readonly batch: readonly WaitingEvent[]; readonly scanned: number } {
    const order = this.connection.isClustered && this.buffer.size <= TAKE_TURNS_UP_TO ? new EventOrder() : undefined;
    const batch: WaitingEvent[] = [];
    let [bytes, scanned] = [0, 0];
    for (const event of this.buffer) {
      if (batch.length === (this.isRefused ? 1 : BATCH_EVENTS)) break;
      if (batch.length > 0 && bytes + event.payload.length > BATCH_BYTES) break;
      scanned++;
      if (order?.admit(event) === false) continue;
      batch.push(event);
      bytes += event.payload.length;
    }
    return { batch, scanned };
  }

  /** Whether the oldest has waited too long; time without NATS does not count. */
  private isLate(): boolean {
    const { oldest } = this.buffer;
    return oldest !== undefined && performance.now() - Math.max(oldest.since, this.connectedAt) >= PATIENCE_MS;
  }

  private fallBehindWhenLate(): void {
    const isLate = this.isLate() || this.askers.length > 0;
    if (this.isConnected && isLate) this.fallBehind(TOO_LATE);
  }

  private fallBehind(why: string): void {
    const now = performance.now();
    const isKnownNow = this.complainedOf === TOO_LATE && why !== TOO_LATE;
    if (isKnownNow || now - this.complainedAt >= COMPLAIN_EVERY_MS) {
      this.complainedAt = now;
      this.complainedOf = why;
      this.report.log.warn(
        `the events stream ${this.settings.eventsStream} takes no events: ${why}; ${this.buffer.size} wait`,
      );
    }
    this.releaseAskers();
    if (this.isBehind || !this.isLate()) return;
    this.isBehind = true;
    this.buffer.release();
  }

  private catchUp(): void {
    this.isBehind = false;
    if (this.complainedAt === -Infinity) return;
    this.complainedAt = -Infinity;
    this.report.log.info(`the events stream ${this.settings.eventsStream} takes events again`);
  }

  private releaseAskers(): void {
    for (const release of this.askers.splice(0)) release();
  }

  /** Whatever was known of the stream may be wrong: NATS may have lost it. */
  private onReconnect(): void {
    this.connectedAt = performance.now();
    if (!this.isEnsured) return;
    this.isEnsured = false;
    void this.ensureStream();
  }
}

/** The stream, or the server, takes no message of this size (pubsub-events §4.4). */
function isTooLarge(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { cause } = error;
  if (cause instanceof NatsError) return cause.code === 'MAX_PAYLOAD_EXCEEDED';
  return /size exceeds maximum allowed/.test(error.message);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
