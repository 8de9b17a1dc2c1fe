import type { Introduction, SubscriptionChange } from '@hearth/wire';
import type { Subscription } from '../connection/subscription';

/** Changes in one operation: with the largest details they still fit into a message of NATS. */
const CHANGES_AT_ONCE = 200;
/** The same where connections are introduced, with details of their own. */
const INTRODUCING_AT_ONCE = 80;
/** Past it, while NATS is away, only counts are remembered and the events of single subscriptions are lost. */
const MAX_WAITING = 20_000;

/** A subscription has begun or ended. */
export interface ReportedChange extends SubscriptionChange {
  /** Whose event comes of it. */
  readonly of?: Subscription;
}

interface NumberedChange extends ReportedChange {
  readonly number: number;
}

/** What one partition has still to be told of subscriptions, in its order. */
export class WaitingChanges {
  private changes: NumberedChange[] = [];
  /** So many, from the first on, are those that are left of what there was when only counts were kept. */
  private counts = 0;
  /** Number of the last change that was reported. */
  reported = 0;

  get isEmpty(): boolean {
    return this.changes.length === 0;
  }

  /** @returns of how many changes the events are lost, because too much waits */
  push({ channel, count, subscription, of }: ReportedChange): number {
    this.changes.push({ channel, count, subscription, of, number: ++this.reported });
    if (this.changes.length <= MAX_WAITING || !this.hasGrown) return 0;
    const lost = this.changes.filter(hasDetails).length;
    this.keepCounts();
    return lost;
  }

  /**
   * Takes what goes into the next operation.
   *
   * @param eventsEnabled without events, and details of any, only the last count of each channel is told
   * @returns also whether it is told for the sake of events
   */
  take(eventsEnabled: boolean): { readonly events: boolean; readonly changes: readonly NumberedChange[] } {
    const events = eventsEnabled || this.changes.slice(this.counts).some(hasDetails);
    if (!events && this.hasGrown) this.keepCounts();
    const introducing = introductionsOf(this.changes.slice(0, CHANGES_AT_ONCE)) !== undefined;
    const changes = this.changes.splice(0, introducing ? INTRODUCING_AT_ONCE : CHANGES_AT_ONCE);
    this.counts = Math.max(0, this.counts - changes.length);
    return { events, changes };
  }

  clear(): void {
    this.changes = [];
    this.counts = 0;
  }

  /** Since only counts were kept: with as many channels as there are changes that leaves all of them, and each time looks at all. */
  private get hasGrown(): boolean {
    return this.changes.length > 2 * this.counts;
  }

  private keepCounts(): void {
    const counts = lastOfEachChannel(this.changes);
    this.changes = counts.map(({ channel, count, number }) => ({ channel, count, number }));
    this.counts = counts.length;
  }
}

function hasDetails({ subscription }: ReportedChange): boolean {
  return subscription !== undefined;
}

/** Of those whose changes these are: each once, or `undefined` for none. */
export function introductionsOf(changes: readonly ReportedChange[]): Introduction[] | undefined {
  const all = new Set(changes.flatMap(({ of }) => of?.introduction ?? []));
  return all.size === 0 ? undefined : [...all];
}

/** The last count of each channel, in the order in which they were set. */
function lastOfEachChannel(changes: readonly NumberedChange[]): NumberedChange[] {
  const last = new Map<string, NumberedChange>();
  for (const change of changes) {
    if (change.count === undefined) continue;
    last.delete(change.channel);
    last.set(change.channel, change);
  }
  return [...last.values()];
}
