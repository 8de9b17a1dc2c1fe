/** Pages of a list whose parts lie with several gateways (management-api §1, Paging). Pure. */

/** The beginning of one gateway's part, sorted by key in the order of UTF-8 bytes. */
export interface Part<Item> {
  readonly items: readonly Item[];
  /** More follows; then there is an item at least. */
  readonly isCut: boolean;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Key behind which the next page begins; `null` behind the last. */
  readonly next: string | null;
}

/** Compares texts as their UTF-8 bytes. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}

/** In UTF-16, surrogates come before the last characters of the basic plane; in UTF-8, what they stand for comes behind. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Finds the items with the smallest keys of many, without sorting them all. */
export class SmallestItems<Item> {
  private found: Item[] = [];
  private isCut = false;
  /** No greater key counts any more. */
  private bound: string | undefined;

  /**
   * @param after only greater keys count
   * @param limit most items
   */
  constructor(
    private readonly keyOf: (item: Item) => string,
    private readonly after: string,
    private readonly limit: number,
  ) {}

  add(item: Item): void {
    const key = this.keyOf(item);
    if (compareUtf8(key, this.after) <= 0) return;
    if (this.bound !== undefined && compareUtf8(key, this.bound) > 0) return;
    this.found.push(item);
    if (this.found.length > 2 * this.limit) this.prune();
  }

  take(): Part<Item> {
    this.prune();
    return { items: this.found, isCut: this.isCut };
  }

  private prune(): void {
    const { found, keyOf, limit } = this;
    found.sort((a, b) => compareUtf8(keyOf(a), keyOf(b)));
    if (found.length <= limit) return;
    this.isCut = true;
    found.length = limit;
    const last = found.at(-1);
    this.bound = last === undefined ? undefined : keyOf(last);
  }
}

/** Keeps of a part what fits, but one item at least. */
export function withinBytes<Item>(
  { items, isCut }: Part<Item>,
  maxBytes: number,
  bytesOf: (item: Item) => number,
): Part<Item> {
  let bytes = 0;
  const fitting = items.findIndex((item, index) => (bytes += bytesOf(item)) > maxBytes && index > 0);
  return fitting < 0 ? { items, isCut } : { items: items.slice(0, fitting), isCut: true };
}

/**
 * One page of all parts. It ends where the first part that was cut does: behind that, its gateway may have more.
 *
 * @param limit most items
 * @param join makes one of two items with the same key
 */
export function mergeParts<Item>(
  parts: readonly Part<Item>[],
  keyOf: (item: Item) => string,
  limit: number,
  join: (one: Item, other: Item) => Item = (one) => one,
): Page<Item> {
  const byKey = new Map<string, Item>();
  for (const item of parts.flatMap(({ items }) => items)) {
    const key = keyOf(item);
    const known = byKey.get(key);
    byKey.set(key, known === undefined ? item : join(known, item));
  }
  const ends = parts.flatMap(({ items, isCut }) => (isCut ? items.slice(-1).map(keyOf) : []));
  const [end] = ends.sort(compareUtf8);
  const keys = [...byKey.keys()].sort(compareUtf8);
  const whole = end === undefined ? keys : keys.filter((key) => compareUtf8(key, end) <= 0);
  const page = whole.slice(0, limit);
  const isLast = end === undefined && page.length === whole.length;
  const items = page.map((key) => byKey.get(key) as Item);
  return { items, next: isLast ? null : (page.at(-1) ?? null) };
}
