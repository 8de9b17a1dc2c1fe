import type { WaitingEvent } from '@hearth/store';

/**
 * The events with one ordering key on their way to one URL, sent one after the other. All of them are in Postgres; the
 * first ones may be in memory as well.
 */
export class EventQueue {
  /** Those in memory, in order. */
  loaded: WaitingEvent[] = [];
  /**
   * Those in Postgres only. Below 0 for a moment when some were loaded from there before the statement that wrote them
   * down was known to have succeeded.
   */
  unloaded = 0;
  /** Of the payloads of those. */
  unloadedBytes = 0;
  /** Failures in a row. */
  failures = 0;
  /** Runs while it is too early for the next attempt. */
  retryTimer: NodeJS.Timeout | undefined;
  isSending = false;
  /** When an event was last delivered (`performance.now()`). */
  deliveredAt = -Infinity;

  constructor(readonly orderingKey: string) {}
}
