import type { CountKey, CountRow, RowChange } from './rows';

type CountChange = RowChange<CountKey, CountRow>;

/** Counts that the database does not have yet. */
interface Unsaved {
  readonly counts: Map<number, number>;
  /** The last change of each that is on its way to the database. */
  readonly taken: Map<string, CountChange>;
}

/**
 * Subscription counts of channels, by gateway. As the other tables, but a count can be set without anything being
 * known: gateways report absolute numbers, so that a subscription needs no look at the database. Only whoever asks for a
 * total must have learned the channel's counts before.
 */
export class CountTable {
  /** Counts of all gateways, of channels that were learned; those longest unused first. */
  private readonly known = new Map<string, Map<number, number>>();
  private changed = new Map<string, CountChange>();
  private readonly unsaved = new Map<string, Unsaved>();
  /** What is being read of these may be older than what is saved meanwhile. */
  private readonly beingRead = new Set<string>();

  constructor(
    /** Most channels to remember. */
    private readonly capacity: number,
  ) {}

  /** Those of the channels whose total is not known; `learn` must follow. */
  missing(channels: readonly string[]): string[] {
    return channels.filter((channel) => {
      const counts = this.known.get(channel);
      if (counts === undefined) {
        this.beingRead.add(channel);
        return true;
      }
      this.known.delete(channel);
      this.known.set(channel, counts);
      return false;
    });
  }

  /** @param rows all rows of these channels in the database */
  learn(channels: readonly string[], rows: readonly CountRow[]): void {
    for (const channel of channels) this.known.set(channel, new Map());
    for (const { channel, gatewayId, count } of rows) this.known.get(channel)?.set(gatewayId, count);
    for (const channel of channels) {
      const unsaved = this.unsaved.get(channel);
      for (const [gatewayId, count] of unsaved?.counts ?? []) this.known.get(channel)?.set(gatewayId, count);
      this.beingRead.delete(channel);
      if (unsaved?.taken.size === 0) this.unsaved.delete(channel);
    }
  }

  set(row: CountRow): void {
    const { channel, gatewayId } = row;
    const count = Math.max(0, row.count);
    this.known.get(channel)?.set(gatewayId, count);
    const unsaved = this.unsaved.get(channel) ?? {
      counts: new Map<number, number>(),
      taken: new Map<string, CountChange>(),
    };
    unsaved.counts.set(gatewayId, count);
    this.unsaved.set(channel, unsaved);
    const key = { channel, gatewayId };
    this.changed.set(`${gatewayId} ${channel}`, { key, row: count === 0 ? undefined : { ...key, count } });
  }

  /** Over all gateways. */
  total(channel: string): number {
    const counts = this.known.get(channel);
    if (counts === undefined) throw new Error(`used before it was loaded: ${channel}`);
    let total = 0;
    for (const count of counts.values()) total += count;
    return total;
  }

  /** What changed since the last call; call `saved` with it once the database has it. */
  takeChanges(): Map<string, CountChange> {
    const { changed } = this;
    this.changed = new Map();
    for (const [text, change] of changed) this.unsaved.get(change.key.channel)?.taken.set(text, change);
    this.forgetOldest();
    return changed;
  }

  /** The database has these; counts that have changed again since then are still unsaved. */
  saved(changes: ReadonlyMap<string, CountChange>): void {
    for (const [text, change] of changes) {
      const { channel } = change.key;
      const unsaved = this.unsaved.get(channel);
      if (unsaved?.taken.get(text) !== change) continue;
      unsaved.taken.delete(text);
      if (unsaved.taken.size === 0 && !this.beingRead.has(channel)) this.unsaved.delete(channel);
    }
  }

  private forgetOldest(): void {
    for (const channel of this.known.keys()) {
      if (this.known.size <= this.capacity) return;
      this.known.delete(channel);
    }
  }
}
