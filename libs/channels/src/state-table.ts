import type { RowChange } from './rows';

/**
 * Rows of one kind that a partition's owner knows, and which of them have changed since the last time they were asked
 * for. What is not known must be learned before it is used (`missing`, `learn`): nothing here reads a database.
 */
export class StateTable<Key, Row extends Key> {
  /** Known rows, those longest unused first; `undefined` = known not to exist. */
  private readonly rows = new Map<string, Row | undefined>();
  private changed = new Map<string, RowChange<Key, Row>>();
  /** The last change of each row that the database does not have yet: those must be remembered. */
  private readonly unsaved = new Map<string, RowChange<Key, Row>>();

  constructor(
    /** The key as text; no two keys have the same. */
    private readonly textOf: (key: Key) => string,
    /** Most rows to remember; those that are not in the database yet come on top. */
    private readonly capacity: number,
  ) {}

  /** Those of the keys about which nothing is known. */
  missing(keys: readonly Key[]): Key[] {
    return keys.filter((key) => {
      const text = this.textOf(key);
      if (!this.rows.has(text)) return true;
      const row = this.rows.get(text);
      this.rows.delete(text);
      this.rows.set(text, row);
      return false;
    });
  }

  /** @param rows those of `keys` that exist in the database */
  learn(keys: readonly Key[], rows: readonly Row[]): void {
    for (const key of keys) this.rows.set(this.textOf(key), undefined);
    for (const row of rows) this.rows.set(this.textOf(row), row);
  }

  get(key: Key): Row | undefined {
    const text = this.textOf(key);
    if (!this.rows.has(text)) throw new Error(`used before it was loaded: ${text}`);
    return this.rows.get(text);
  }

  put(row: Row): void {
    this.change(row, row);
  }

  drop(key: Key): void {
    this.change(key, undefined);
  }

  /** Rows that the database does not have yet, or not as they are. */
  *unsavedRows(): Iterable<Row> {
    for (const text of new Set([...this.unsaved.keys(), ...this.changed.keys()])) {
      const row = this.rows.get(text);
      if (row !== undefined) yield row;
    }
  }

  /** What changed since the last call; call `saved` with it once the database has it. */
  takeChanges(): Map<string, RowChange<Key, Row>> {
    const { changed } = this;
    this.changed = new Map();
    for (const [text, change] of changed) this.unsaved.set(text, change);
    this.forgetOldest();
    return changed;
  }

  /** The database has these; rows that have changed again since then are still unsaved. */
  saved(changes: ReadonlyMap<string, RowChange<Key, Row>>): void {
    for (const [text, change] of changes) if (this.unsaved.get(text) === change) this.unsaved.delete(text);
  }

  private change(key: Key, row: Row | undefined): void {
    const text = this.textOf(key);
    this.rows.delete(text);
    this.rows.set(text, row);
    this.changed.set(text, { key, row });
  }

  private forgetOldest(): void {
    let excess = this.rows.size - this.unsaved.size - this.capacity;
    if (excess <= 0) return;
    for (const text of this.rows.keys()) {
      if (this.unsaved.has(text)) continue;
      this.rows.delete(text);
      if (--excess <= 0) return;
    }
  }
}
