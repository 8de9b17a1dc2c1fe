import type { WebhookEvent } from '@hearth/store';
import type { StreamPosition } from '@hearth/stream';
import type { Place } from './rules/position-tracker';

/** An event that was read from the stream and is neither delivered nor written down anywhere else. */
export interface ReadEvent {
  readonly event: WebhookEvent;
  readonly place: Place<StreamPosition>;
  attempts: number;
  lastError?: string;
}

/**
 * The events of one channel, or of one connection, on their way to one URL: delivered one after the other. All goes well:
 * they are in memory only. One has failed: it and all that follow wait in Postgres, and those in memory are later than
 * those.
 */
export class Lane {
  readonly queue: ReadEvent[] = [];
  /** Events in Postgres. */
  waiting = 0;
  /** Events on their way into Postgres. */
  parking = 0;
  /** A failed event that is not in Postgres yet: nothing may be sent before it is. */
  failedHead: ReadEvent | undefined;
  /** Failures in a row. */
  failures = 0;
  /** Runs while it is too early for the next attempt. */
  retryTimer: NodeJS.Timeout | undefined;
  /** What is being sent at the moment, and since when (`performance.now()`). */
  sending: { readonly from: 'queue' | 'postgres'; readonly since: number } | undefined;

  constructor(readonly key: string) {}

  /** Whether events that come now have to wait in Postgres. */
  get isBlocked(): boolean {
    return this.waiting > 0 || this.parking > 0 || this.retryTimer !== undefined;
  }
}
