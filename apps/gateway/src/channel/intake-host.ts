import type { Logger, Metrics } from '@hearth/runtime';
import type { DeliverSubscriber, StreamConnection } from '@hearth/stream';
import type { DeliverRecord, Position } from '@hearth/wire';
import type { Hole } from './intake';

/** What the intakes of a gateway share. */
export interface IntakeHost {
  readonly stream: StreamConnection;
  readonly deliver: DeliverSubscriber;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** A sequence of the deliver stream up to which everything has certainly reached this gateway. */
  readonly safeSequence: number;
  /** The last sequence that the deliver stream is known to have had, 0 while that is not known. */
  readonly streamEnd: number;
  /** When the deliver stream was created, ms since 1970; 0 while that is not known. */
  readonly streamCreatedMs: number;
  /** A place up to which everything of a channel's partition had been sent; `undefined` while none is known. */
  sentThrough(channel: string): Position | undefined;
}

/** Who gets what an intake has taken in. */
export interface IntakeReader {
  /** Subscribers, and connections that are about to become one; without any, gaps do not matter. */
  readonly users: number;
  /** Takes the next message of the channel. */
  take(record: DeliverRecord): void;
  /** Messages cannot be had any more; what is behind the hole is taken next. */
  miss(hole: Hole): void;
  /** What is known of the channel's places says nothing about what comes now. */
  distrust(why: string): void;
}
