/** What waits until readers take it; one object, however many they are. */
export class Held {
  readers = 0;

  /** @param size bytes */
  constructor(readonly size: number) {}
}

const known = new WeakMap<Uint8Array, Held>();

/** What is kept back for readers as it came. */
export function heldOf(bytes: Uint8Array): Held {
  const held = known.get(bytes) ?? new Held(bytes.length);
  known.set(bytes, held);
  return held;
}

/** What a buffer takes beside its bytes, and what each of its readers adds. */
const BUFFER_BYTES = 512;
const PIECE_BYTES = 256;
/** Who is told to go has some seconds for that, and what waits for it is kept for so long: more than this share of the bound ends it. */
const WITH_LEAVING = 1.25;
/** So much of the bound is left to those who stay, so that not every piece that comes then has somebody else sent away. */
const STAYING = 0.875;
/** Beyond the bound it is looked at so often. */
const LOOK_AGAIN_MS = 100;

/** Whose backlog it is. */
interface Reader {
  /** It has not been told to go. */
  readonly isOpen: boolean;
  /** Tells it to go: of too much that waits, most waits for it. */
  readonly receiver: { holdsMost(): void } | undefined;
  /** Ends it at once. */
  terminate(): void;
}

/**
 * What waits for all clients of a process together, bytes in memory: what waits for many is there once (limits §2). When
 * that is too much, who holds most is sent away, of what is shared its part.
 */
export class Backlogs {
  bytes = 0;
  readonly all = new Set<Backlog>();
  private isLooking = false;

  /** @param most Infinity: no bound */
  constructor(private readonly most: number) {}

  add(held: Held): void {
    if (held.readers++ === 0) this.bytes += held.size + BUFFER_BYTES;
    this.bytes += PIECE_BYTES;
    if (this.bytes > this.most && !this.isLooking) {
      this.isLooking = true;
      // Not now: somebody is writing to all of them.
      setImmediate(() => this.look());
    }
  }

  remove(held: Held): void {
    if (--held.readers === 0) this.bytes -= held.size + BUFFER_BYTES;
    this.bytes -= PIECE_BYTES;
  }

  private look(): void {
    this.isLooking = this.bytes > this.most;
    if (!this.isLooking) return;
    const shares = this.shares();
    let kept = shares.reduce((sum, [, share]) => sum + share, 0);
    for (const [reader, share] of shares) {
      if (kept <= this.most * STAYING) break;
      kept -= share;
      reader.receiver?.holdsMost();
    }
    if (this.bytes > this.most * WITH_LEAVING) {
      for (const { reader } of this.all) if (!reader.isOpen) reader.terminate();
    }
    setTimeout(() => this.look(), LOOK_AGAIN_MS).unref();
  }

  /** Of those who stay, the largest first. */
  private shares(): (readonly [Reader, number])[] {
    const shares = new Map<Reader, number>();
    for (const { reader, share } of this.all) if (reader.isOpen) shares.set(reader, (shares.get(reader) ?? 0) + share);
    return [...shares].sort(([, one], [, other]) => other - one);
  }
}

/** What waits for one reader, in the order in which it is taken. */
export class Backlog {
  /** Also of what waits for others as well. */
  bytes = 0;
  private waiting: Held[] = [];
  private taken = 0;
  /** The first has been taken. */
  readonly take = (): void => {
    const held = this.waiting[this.taken];
    // What waited may have been dropped meanwhile.
    if (held === undefined) return;
    this.bytes -= held.size;
    this.backlogs.remove(held);
    if (++this.taken < this.waiting.length / 2) return;
    this.waiting = this.waiting.slice(this.taken);
    this.taken = 0;
  };

  constructor(
    private readonly backlogs: Backlogs,
    readonly reader: Reader,
  ) {
    backlogs.all.add(this);
  }

  add(held: Held): void {
    this.waiting.push(held);
    this.bytes += held.size;
    this.backlogs.add(held);
  }

  /** For what waits elsewhere for the same reader; to be ended when nothing does any more. */
  another(): Backlog {
    return new Backlog(this.backlogs, this.reader);
  }

  /** Nothing waits any more. */
  clear(): void {
    for (const held of this.waiting.slice(this.taken)) this.backlogs.remove(held);
    this.waiting = [];
    this.taken = 0;
    this.bytes = 0;
  }

  /** Nothing will wait any more. */
  end(): void {
    this.clear();
    this.backlogs.all.delete(this);
  }

  /** Its part of what there is in memory. */
  get share(): number {
    let share = 0;
    for (let n = this.taken; n < this.waiting.length; n++) {
      const { size, readers } = this.waiting[n] as Held;
      share += (size + BUFFER_BYTES) / readers + PIECE_BYTES;
    }
    return share;
  }
}
