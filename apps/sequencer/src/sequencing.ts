import { SequencedOperation } from '@hearth/channels';
import { idTimeMs, messageId } from '@hearth/protocol';
import { decodeBundle, decodeIngest, eventSequence, IngestEvent, Position } from '@hearth/wire';
import { InvariantBroken } from '@hearth/runtime';
import type { StreamMessage } from '@hearth/stream';
import { Lanes } from './lanes';

/** A publish request that has become a message: it has its id and its place. */
export interface SequencedMessage {
  readonly id: string;
  /** The id that its place in the stream makes; the same, unless one had been promised. */
  readonly placeId: string;
  readonly position: Position;
  /** Time of acceptance by the stream's clock, ms since 1970. */
  readonly acceptedMs: number;
  readonly event: IngestEvent;
  readonly operation?: undefined;
  /** JSON as published. */
  readonly data: Buffer;
}

/** What an ingest stream had, in its place. */
export type Sequenced = SequencedMessage | SequencedOperation;

export function isOperation(sequenced: Sequenced): sequenced is SequencedOperation {
  return sequenced.operation !== undefined;
}

/** The channel that one is for; of what was parked, only its operation knows when it is fired. */
export function channelNamedBy(one: Sequenced): string | undefined {
  if (!isOperation(one)) return one.event.channel;
  return 'channel' in one.operation ? one.operation.channel : undefined;
}

/** What is told to operators. */
export interface SequencingReports {
  /** Something that cannot be read was left out. */
  poison(message: StreamMessage, error: unknown): void;
  /** An id was not used, because the clock that made it is too far ahead. */
  eagerIdRefused?(id: string): void;
  /** A message of the stream has a time so far ahead of when it was sent; negative: behind. */
  streamClock?(aheadMs: number): void;
}

/**
 * Gives messages their ids. What it answers is a function of where it began and of the stream's content alone: a
 * worker that takes over and reads the same events again hands out the same ids. That is what lets repeats change
 * nothing, so nothing here may look at a clock, a counter or the database.
 */
export class Sequencing {
  /** The greatest that was handed out. */
  private lastId = '';

  constructor(
    private readonly partition: number,
    readonly epoch: number,
    /** No id handed out from now on has a smaller time: the running maximum of the stream's timestamps, ms. */
    private mark: number,
    /** Clocks may differ by so much. */
    private readonly clockToleranceMs: number,
    private readonly reports: SequencingReports,
    /** How far each publisher has come. */
    readonly lanes = new Lanes(),
  ) {}

  get markMs(): number {
    return this.mark;
  }

  /**
   * Gives what was read its ids, in the same order. Left out are what its publisher sent before something that stands
   * earlier, and, with a report, what is neither message nor operation.
   */
  sequence(messages: readonly StreamMessage[]): Sequenced[] {
    const sequenced: Sequenced[] = [];
    for (const message of messages) {
      if (!this.lanes.admit(message.messageId)) continue;
      // One event that cannot be read is not the fault of those it came with.
      const acceptedMs = this.acceptedMs(message);
      this.eventsOf(message).forEach((event, index) => {
        try {
          sequenced.push(this.sequenceOne(message, event, index, acceptedMs));
        } catch (error) {
          if (error instanceof InvariantBroken) throw error;
          this.reports.poison(message, error);
        }
      });
    }
    return sequenced;
  }

  /**
   * A message that was parked until now, in the place of the operation that fired it.
   *
   * @param payload as it would stand in the ingest stream
   */
  unpark(fired: SequencedOperation, payload: string): Sequenced {
    const { event, operation, data } = decodeIngest(Buffer.from(payload, 'utf8'));
    const place = { id: fired.id, position: fired.position, acceptedMs: fired.acceptedMs, data };
    return event === undefined
      ? { ...place, operation }
      : { ...place, id: event.eagerId ?? fired.id, placeId: fired.id, event };
  }

  private eventsOf(message: StreamMessage): Buffer[] {
    try {
      return decodeBundle(message.payload);
    } catch (error) {
      this.reports.poison(message, error);
      return [];
    }
  }

  /**
   * The stream's time of a message. A nats-server's clock may be wrong, and may be set: ids made by one that is a year ahead
   * would keep all later ones there. So where it is too far from the installation's, as its publisher knew it, that one counts.
   */
  private acceptedMs({ timeMs, sentMs }: StreamMessage): number {
    if (sentMs === undefined) return timeMs;
    this.reports.streamClock?.(timeMs - sentMs);
    return Math.abs(timeMs - sentMs) > this.clockToleranceMs ? sentMs : timeMs;
  }

  private sequenceOne(message: StreamMessage, payload: Buffer, index: number, acceptedMs: number): Sequenced {
    const { event, operation, data } = decodeIngest(payload);
    // Clocks may step back; ids must not.
    this.mark = Math.max(this.mark, acceptedMs);
    const sequence = eventSequence(message.sequence, index);
    const position = { epoch: this.epoch, sequence };
    const placeId = this.nextId(sequence);
    if (event === undefined) return { id: placeId, position, acceptedMs, operation, data };
    const eagerId = this.isTooFarAhead(event.eagerId, acceptedMs) ? undefined : event.eagerId;
    // A later message must get a greater id than this one (publish-api §6).
    if (eagerId !== undefined) this.mark = Math.max(this.mark, idTimeMs(eagerId) + 1);
    return { id: eagerId ?? placeId, placeId, position, acceptedMs, event, data };
  }

  private nextId(sequence: number): string {
    const id = messageId(this.mark, sequence, this.partition);
    if (id <= this.lastId) throw new InvariantBroken('ids-rise', `${id} after ${this.lastId}`);
    this.lastId = id;
    return id;
  }

  /**
   * One clock that is a year ahead would move all ids after it a year ahead, those of other channels too, and what is
   * visible to whom goes by them.
   */
  private isTooFarAhead(eagerId: string | undefined, acceptedMs: number): boolean {
    if (eagerId === undefined || idTimeMs(eagerId) <= acceptedMs + this.clockToleranceMs) return false;
    this.reports.eagerIdRefused?.(eagerId);
    return true;
  }
}
