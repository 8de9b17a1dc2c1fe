import type { RowChange } from './rows';

/**
 * As `StateTable`, for rows that are only used all of a channel together: the connections of a presence
 * channel.
 */
export class GroupedTable<Key extends { readonly channel: string }, Row extends Key> {
  /** Rows of known channels, by key; those longest unused first. */
  private readonly channels = new Map<string, Map<string, Row>>();
  private changed = new Map<string, RowChange<Key, Row>>();
  /** The last change of each row that the database does not have yet, and how many there are of a channel. */
  private readonly unsavedRows = new Map<string, RowChange<Key, Row>>();
  private readonly unsaved = new Map<string, number>();

  constructor(
    private readonly textOf: (key: Key) => string,
    /** Most channels to remember; those with changes that are not in the database yet come on top. */
    private readonly capacity: number,
  ) {}

  /** Those of the channels about which nothing is known. */
  missing(channels: readonly string[]): string[] {
    return channels.filter((channel) => {
      const rows = this.channels.get(channel);
      if (rows === undefined) return true;
      this.channels.delete(channel);
      this.channels.set(channel, rows);
      return false;
    });
  }

  /** @param rows all rows of these channels in the database */
  learn(channels: readonly string[], rows: readonly Row[]): void {
    for (const channel of channels) this.channels.set(channel, new Map());
    for (const row of rows) this.rowsOf(row.channel).set(this.textOf(row), row);
  }

  /** All rows of a channel; the same object for as long as the channel is remembered. */
  of(channel: string): ReadonlyMap<string, Row> {
    return this.rowsOf(channel);
  }

  get(key: Key): Row | undefined {
    return this.rowsOf(key.channel).get(this.textOf(key));
  }

  put(row: Row): void {
    const text = this.textOf(row);
    this.rowsOf(row.channel).set(text, row);
    this.changed.set(text, { key: row, row });
  }

  drop(key: Key): void {
    const text = this.textOf(key);
    this.rowsOf(key.channel).delete(text);
    this.changed.set(text, { key, row: undefined });
  }

  /** What changed since the last call; call `saved` with it once the database has it. */
  takeChanges(): Map<string, RowChange<Key, Row>> {
    const { changed } = this;
    this.changed = new Map();
    for (const [text, change] of changed) {
      const { channel } = change.key;
      if (!this.unsavedRows.has(text)) this.unsaved.set(channel, (this.unsaved.get(channel) ?? 0) + 1);
      this.unsavedRows.set(text, change);
    }
    this.forgetOldest();
    return changed;
  }

  /** The database has these; rows that have changed again since then are still unsaved. */
  saved(changes: ReadonlyMap<string, RowChange<Key, Row>>): void {
    for (const [text, change] of changes) {
      if (this.unsavedRows.get(text) !== change) continue;
      this.unsavedRows.delete(text);
      const { channel } = change.key;
      const left = (this.unsaved.get(channel) ?? 1) - 1;
      if (left === 0) this.unsaved.delete(channel);
      else this.unsaved.set(channel, left);
    }
  }

  private rowsOf(channel: string): Map<string, Row> {
    const rows = this.channels.get(channel);
    if (rows === undefined) throw new Error(`used before it was loaded: ${channel}`);
    return rows;
  }

  private forgetOldest(): void {
    let excess = this.channels.size - this.unsaved.size - this.capacity;
    if (excess <= 0) return;
    for (const channel of this.channels.keys()) {
      if (this.unsaved.has(channel)) continue;
      this.channels.delete(channel);
      if (--excess <= 0) return;
    }
  }
}
