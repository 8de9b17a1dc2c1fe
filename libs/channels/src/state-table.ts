import type { RowChange } from './rows';

/**
 * Rows of one kind that a partition's owner knows, and which of them have changed since the last time they were asked
 * for. Rows are known by groups, which are read as a whole: all of a channel, say, or each row by itself. What is not
 * known must be learned before it is used (`missing`, `learn`): nothing here reads a database.
 */
export class StateTable<Key extends Group, Row extends Key, Group = Key> {
  /** Rows of known groups, by key; the groups longest unused first. */
  private readonly known = new Map<string, Map<string, Row>>();
  private changed = new Map<string, RowChange<Key, Row>>();
  /** The last change of each row that the database does not have yet, by group. */
  private readonly unsaved = new Map<string, Map<string, RowChange<Key, Row>>>();
  private readonly beingRead = new Set<string>();
  /** What is being read may be older than these. */
  private savedMeanwhile = new Map<string, RowChange<Key, Row>>();

  constructor(
    /** The key as text; no two keys have the same. */
    private readonly textOf: (key: Key) => string,
    /** The name of a group. */
    private readonly groupOf: (group: Group) => string,
    /** Most groups to remember; those with changes that are not in the database yet come on top. */
    private readonly capacity: number,
  ) {}

  /** Those of the groups about which nothing is known, each once; `learn` must follow. */
  missing(groups: readonly Group[]): Group[] {
    const missing = new Map<string, Group>();
    for (const group of groups) {
      const name = this.groupOf(group);
      const rows = this.known.get(name);
      if (rows === undefined) {
        missing.set(name, group);
        this.beingRead.add(name);
      } else {
        this.known.delete(name);
        this.known.set(name, rows);
      }
    }
    return [...missing.values()];
  }

  /** @param rows all rows of these groups in the database */
  learn(groups: readonly Group[], rows: readonly Row[]): void {
    const names = groups.map((group) => this.groupOf(group));
    for (const name of names) this.known.set(name, new Map());
    for (const row of rows) this.known.get(this.groupOf(row))?.set(this.textOf(row), row);
    for (const name of names) {
      for (const change of this.unsaved.get(name)?.values() ?? []) this.note(change);
      this.beingRead.delete(name);
    }
    const late = this.savedMeanwhile;
    this.savedMeanwhile = new Map();
    this.saved(late);
  }

  /** All rows of a group; the same object for as long as the group is remembered. */
  of(group: Group): ReadonlyMap<string, Row> {
    const rows = this.known.get(this.groupOf(group));
    if (rows === undefined) throw new Error(`used before it was loaded: ${this.groupOf(group)}`);
    return rows;
  }

  get(key: Key): Row | undefined {
    return this.of(key).get(this.textOf(key));
  }

  /** Sets a row; its group need not be known. */
  put(row: Row): void {
    this.change({ key: row, row });
  }

  /** Removes a row, as `put`. */
  drop(key: Key): void {
    this.change({ key, row: undefined });
  }

  /** Rows that the database does not have yet, or not as they are. */
  *unsavedRows(): Iterable<Row> {
    for (const changes of this.unsaved.values()) {
      for (const { row } of changes.values()) if (row !== undefined) yield row;
    }
  }

  /** What changed since the last call; call `saved` with it once the database has it. */
  takeChanges(): Map<string, RowChange<Key, Row>> {
    const { changed } = this;
    this.changed = new Map();
    this.forgetOldest();
    return changed;
  }

  /** The database has these; rows that have changed again since then are still unsaved. */
  saved(changes: ReadonlyMap<string, RowChange<Key, Row>>): void {
    for (const [text, change] of changes) {
      const group = this.groupOf(change.key);
      const unsaved = this.unsaved.get(group);
      if (unsaved?.get(text) !== change) continue;
      if (this.beingRead.has(group)) this.savedMeanwhile.set(text, change);
      else if (unsaved.size > 1) unsaved.delete(text);
      else this.unsaved.delete(group);
    }
  }

  private change(change: RowChange<Key, Row>): void {
    const text = this.textOf(change.key);
    const group = this.groupOf(change.key);
    const unsaved = this.unsaved.get(group);
    if (unsaved === undefined) this.unsaved.set(group, new Map([[text, change]]));
    else unsaved.set(text, change);
    this.changed.set(text, change);
    this.note(change);
  }

  private note({ key, row }: RowChange<Key, Row>): void {
    const rows = this.known.get(this.groupOf(key));
    if (row === undefined) rows?.delete(this.textOf(key));
    else rows?.set(this.textOf(key), row);
  }

  private forgetOldest(): void {
    let excess = this.known.size - this.unsaved.size - this.capacity;
    if (excess <= 0) return;
    for (const group of this.known.keys()) {
      if (this.unsaved.has(group)) continue;
      this.known.delete(group);
      if (--excess <= 0) return;
    }
  }
}
