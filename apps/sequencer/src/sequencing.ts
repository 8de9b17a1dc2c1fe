import { decodeIngestEvent, idTimeMs, IngestEvent, messageId, Position } from '@hearth/protocol';
import type { StreamMessage } from '@hearth/stream';

/** A publish request that has become a message: it has its id and its place. */
export interface SequencedMessage {
  readonly id: string;
  readonly position: Position;
  /** Time of acceptance by the stream's clock, ms since 1970. */
  readonly acceptedMs: number;
  readonly event: IngestEvent;
  /** JSON as published. */
  readonly data: Buffer;
}

/**
 * Gives messages their ids. What it answers is a function of where it began and of the stream's content alone: a
 * worker that takes over and reads the same events again hands out the same ids. That is what lets repeats change
 * nothing, so nothing here may look at a clock, a counter or the database.
 */
export class Sequencing {
  constructor(
    private readonly partition: number,
    readonly epoch: number,
    /** No id handed out from now on has a smaller time: the running maximum of the stream's timestamps, ms. */
    private mark: number,
    private readonly onPoison: (message: StreamMessage, error: unknown) => void,
  ) {}

  get markMs(): number {
    return this.mark;
  }

  /** Turns what was read into messages, in the same order; what is not an event of ours is reported and left out. */
  sequence(messages: readonly StreamMessage[]): SequencedMessage[] {
    const sequenced: SequencedMessage[] = [];
    for (const message of messages) {
      try {
        sequenced.push(this.sequenceOne(message));
      } catch (error) {
        this.onPoison(message, error);
      }
    }
    return sequenced;
  }

  private sequenceOne(message: StreamMessage): SequencedMessage {
    const { event, data } = decodeIngestEvent(message.payload);
    // The stream's clock may step back; ids must not.
    this.mark = Math.max(this.mark, message.timeMs);
    const id = event.eagerId ?? messageId(this.mark, message.sequence, this.partition);
    // A later message must get a greater id than this one (publish-api §6).
    if (event.eagerId !== undefined) this.mark = Math.max(this.mark, idTimeMs(event.eagerId) + 1);
    return {
      id,
      position: { epoch: this.epoch, sequence: message.sequence },
      acceptedMs: message.timeMs,
      event,
      data,
    };
  }
}
