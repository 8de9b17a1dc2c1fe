/** Keys of which it is remembered what they had; then those that have had least are forgotten. */
const MOST_REMEMBERED = 10_000;

interface Line<T> {
  readonly key: string;
  /** What it has had, in turns: the turn in which its next one begins. */
  turn: number;
  /** Since when it waits for that: of those of the same turn, who came first is next. */
  since: number;
  readonly items: T[];
  /** Items from here on have not been taken; those before are cut off now and then. */
  head: number;
}

/**
 * Gives turns to whoever waits, by key: who had least of late is next (limits §5). Items of one key keep their order. A
 * key that comes anew begins where the others are, so that nobody can save up turns (start-time fair queueing).
 */
export class FairQueue<T> {
  private readonly lines = new Map<string, Line<T>>();
  /** Lines with items, as a binary heap by their turns. */
  private readonly heap: Line<T>[] = [];
  /** The turn of the item that was taken last. */
  private now = 0;
  private count = 0;
  /** Of those who began to wait for a turn. */
  private arrivals = 0;
  /** With so many keys it is time to forget some. */
  private forgetAt = MOST_REMEMBERED;

  get size(): number {
    return this.count;
  }

  push(key: string, item: T): void {
    this.count++;
    let line = this.lines.get(key);
    if (line === undefined) {
      if (this.lines.size >= this.forgetAt) this.forget();
      this.lines.set(key, (line = { key, turn: this.now, since: 0, items: [], head: 0 }));
    }
    line.items.push(item);
    if (line.items.length - line.head > 1) return;
    line.turn = Math.max(line.turn, this.now);
    line.since = this.arrivals++;
    this.heap.push(line);
    this.rise(this.heap.length - 1);
  }

  /** The next one to have a turn, which it still must be given. */
  peek(): T | undefined {
    const [line] = this.heap;
    return line?.items[line.head];
  }

  /**
   * Takes the next one.
   *
   * @param weight how many turns it costs
   */
  shift(weight = 1): T | undefined {
    const [line] = this.heap;
    if (line === undefined) return undefined;
    this.count--;
    this.now = line.turn;
    line.turn += weight;
    line.since = this.arrivals++;
    const item = line.items[line.head++];
    if (line.head === line.items.length) {
      line.items.length = 0;
      line.head = 0;
      const last = this.heap.pop();
      if (last !== line && last !== undefined) this.heap[0] = last;
    } else if (line.head > 1_024) {
      line.items.splice(0, line.head);
      line.head = 0;
    }
    this.sink();
    return item;
  }

  private rise(at: number): void {
    const { heap } = this;
    for (let child = at; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.isBefore(child, parent)) return;
      [heap[parent], heap[child]] = [heap[child] as Line<T>, heap[parent] as Line<T>];
      child = parent;
    }
  }

  private sink(): void {
    const { heap } = this;
    for (let parent = 0; ;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (this.isBefore(child, least)) least = child;
      }
      if (least === parent) return;
      [heap[parent], heap[least]] = [heap[least] as Line<T>, heap[parent] as Line<T>];
      parent = least;
    }
  }

  private isBefore(at: number, other: number): boolean {
    const [one, two] = [this.heap[at], this.heap[other]];
    if (one === undefined || two === undefined) return false;
    return one.turn === two.turn ? one.since < two.since : one.turn < two.turn;
  }

  /** Whoever waits for nothing and is not ahead of the others has had nothing that is worth remembering. */
  private forget(): void {
    for (const [key, { items, turn }] of this.lines) if (items.length === 0 && turn <= this.now) this.lines.delete(key);
    if (this.lines.size >= MOST_REMEMBERED) {
      for (const [key, { items }] of this.lines) if (items.length === 0) this.lines.delete(key);
    }
    // Those that wait stay. Where they are many, to look at all of them for each new key would take longer than all the rest.
    this.forgetAt = Math.max(MOST_REMEMBERED, 2 * this.lines.size);
  }
}

/** Turns by source, and for each source by channel: what a source sends to one channel keeps its order. */
export class FairTurns<T> {
  private readonly sources = new FairQueue<string>();
  private readonly channels = new Map<string, FairQueue<T>>();

  /** @param weightOf how many turns an item costs */
  constructor(private readonly weightOf: (item: T) => number = () => 1) {}

  get size(): number {
    return this.sources.size;
  }

  /** Whether something of a source waits. */
  has(source: string): boolean {
    return this.channels.has(source);
  }

  push(source: string, channel: string, item: T): void {
    let queue = this.channels.get(source);
    if (queue === undefined) this.channels.set(source, (queue = new FairQueue()));
    queue.push(channel, item);
    this.sources.push(source, source);
  }

  shift(): T | undefined {
    const source = this.sources.peek();
    const queue = source === undefined ? undefined : this.channels.get(source);
    const item = queue?.peek();
    if (source === undefined || queue === undefined || item === undefined) return undefined;
    const weight = this.weightOf(item);
    this.sources.shift(weight);
    queue.shift(weight);
    if (queue.size === 0) this.channels.delete(source);
    return item;
  }
}
