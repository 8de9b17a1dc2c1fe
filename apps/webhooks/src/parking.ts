import type { EventToWait } from '@hearth/store';
import type { Lane, ReadEvent } from './lane';

/**
 * Brings the events of blocked lanes from memory into Postgres, those of all lanes that have some at that moment in one
 * statement.
 */
export class Parking {
  private readonly lanes = new Set<Lane>();
  private running = false;

  constructor(
    /** Writes events down; rejects when that is no longer ours to do. */
    private readonly write: (events: readonly EventToWait[]) => Promise<void>,
    /** Told when a lane's events have been written. */
    private readonly onParked: (lane: Lane, events: readonly ReadEvent[]) => void,
    private readonly onFailed: (error: unknown) => void,
  ) {}

  /** The lane's events in memory shall wait in Postgres, but for one that is being sent. */
  add(lane: Lane): void {
    this.lanes.add(lane);
    if (!this.running) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.lanes.size > 0) await this.parkAll();
    } catch (error) {
      this.onFailed(error);
    } finally {
      this.running = false;
    }
  }

  private async parkAll(): Promise<void> {
    const parked = [...this.lanes].map((lane) => {
      const events = lane.queue.splice(lane.sending?.from === 'queue' ? 1 : 0);
      lane.parking += events.length;
      return { lane, events };
    });
    this.lanes.clear();
    const all = parked.flatMap(({ events }) => events);
    if (all.length > 0) await this.write(all);
    for (const { lane, events } of parked) {
      lane.parking -= events.length;
      lane.waiting += events.length;
      if (lane.failedHead !== undefined && events.includes(lane.failedHead)) lane.failedHead = undefined;
      this.onParked(lane, events);
    }
  }
}
