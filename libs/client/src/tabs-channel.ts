import type { Frame, FrameData } from './frames';

/** Messages of a channel that are kept for tabs that come, or come back; and as many copies. */
const MAX_KEPT = 500;

/** Of so many channels the last copy is remembered. */
const MAX_CHANNELS = 1_000;
/** What is settled is stored in this time: it is all of it, each time. */
const WRITE_MS = 250;

export interface Point {
  readonly after?: string;
  readonly token?: string;
  /** Of the last copy that was given. */
  readonly copy?: string;
}

interface Kept {
  readonly id: string;
  /** Absent when the copy before it says the same: those that are given that need it no more. */
  readonly text?: string;
}

/** What a tab published without `echo`: the server says nothing of that, so it has no place but behind a message. */
export interface Copy {
  readonly id: string;
  readonly text: string;
  /** Who published it. */
  readonly from: string;
  /** Id of the message that it came behind. */
  readonly after: string | undefined;
}

export interface Subscribe {
  readonly channel: string;
  readonly data?: { readonly resume?: Point | boolean; readonly storage?: boolean; readonly token?: string };
}

interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/**
 * Ids of the last copies, by channel, for the tab that connects next: who was away meanwhile, and has not had that one, is told
 * of a gap. What they said is not kept.
 */
export class CopyMemory {
  readonly isThere: boolean;
  /** The one that was used last is at the end. */
  private ids = new Map<string, string>();
  private readonly storage: WebStorage | undefined;
  /** Channels of which something is on its way, and those that are stored as such. */
  private readonly open = new Set<string>();
  private stored: ReadonlySet<string> = new Set();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly key: string) {
    let text: string | null | undefined;
    try {
      // Reading it may throw.
      this.storage = (globalThis as unknown as { localStorage?: WebStorage | null }).localStorage ?? undefined;
      text = this.storage?.getItem(key);
    } catch {
      this.storage = undefined;
    }
    this.isThere = this.storage !== undefined;
    try {
      this.ids = new Map(JSON.parse(text ?? '[]') as [string, string][]);
    } catch {
      // Somebody else wrote it: that is nothing.
    }
  }

  last(channel: string): string | undefined {
    return this.ids.get(channel);
  }

  /** Something is on its way: what becomes of it nobody will know, should this tab end now. */
  begin(channel: string, ref: string): void {
    this.set(channel, ref);
    this.open.add(channel);
    if (!this.stored.has(channel)) this.write();
  }

  /** Nothing is on its way any more. */
  settle(channel: string, id: string | undefined): void {
    if (this.last(channel) === id) return;
    this.set(channel, id);
    this.open.delete(channel);
    // As long as the other thing is stored a gap is told that is none, and none is left untold.
    if (this.stored.has(channel)) this.timer ??= setTimeout(() => this.write(), WRITE_MS);
    else this.write();
  }

  /** Stores what waits for it. */
  flush(): void {
    if (this.timer !== undefined) this.write();
  }

  private set(channel: string, id: string | undefined): void {
    this.ids.delete(channel);
    if (id !== undefined) this.ids.set(channel, id);
    const [first = ''] = this.ids.keys();
    if (this.ids.size > MAX_CHANNELS) this.ids.delete(first);
  }

  private write(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      this.storage?.setItem(this.key, JSON.stringify([...this.ids]));
      this.stored = new Set(this.open);
    } catch {
      // It is full: the next one remembers what was there before.
    }
  }
}

/** What came after a point, and whether that is all. */
interface Since {
  readonly texts: readonly string[];
  readonly isWhole: boolean;
}

/** A channel of the one connection, and the tabs that want it. */
export class SharedChannel {
  /** As the server confirmed it; absent before. */
  subscribed: Frame | undefined;
  readonly tabs = new Set<string>();
  /** Those that have been given everything up to a message that is still to come, for another one that is behind. */
  readonly ahead = new Map<string, string>();
  /** Who asks the server at present. */
  asker: string | undefined;
  asked: Subscribe | undefined;
  /** Those that asked meanwhile, or whose place is not known yet. */
  waiting: [tab: string, frame: Subscribe][] = [];
  members: FrameData['members'];
  readonly storage = new Map<string, string>();
  synced: string | undefined;
  /** Something is missing: who asks again is not given what is known of members and storage. */
  isStale = false;
  /** The last messages; the point that the first one follows. */
  private readonly kept: Kept[] = [];
  private begins: Point | undefined;
  private readonly copies: Copy[] = [];
  /** Copies that who asked the server is given where they were, among what it is sent again. */
  private owed: readonly Copy[] = [];
  private owedTo = '';
  /** Events of which the server sends what this connection has published: of these no copy is needed. */
  readonly echoed = new Set<string | undefined>();

  /** Id of the last copy that is not among these; `undefined`: there was none. */
  private lastCopy: string | undefined;

  constructor(
    public name: string,
    private readonly memory: CopyMemory,
  ) {
    this.lastCopy = memory.last(name);
  }

  /** It was asked for by another name. */
  rename(name: string): void {
    if (name === this.name) return;
    this.name = name;
    this.lastCopy ??= this.memory.last(name);
  }

  /** Id of the last message. */
  get last(): string | undefined {
    return this.kept.at(-1)?.id ?? this.begins?.after;
  }

  get lastCopied(): string | undefined {
    return this.copies.at(-1)?.id ?? this.lastCopy;
  }

  has(id: string): boolean {
    return this.kept.some((message) => message.id === id);
  }

  copyOf(id: string): Copy | undefined {
    return this.copies.find((copy) => copy.id === id);
  }

  keep(message: Kept): void {
    this.kept.push(message);
    if (this.kept.length > MAX_KEPT) this.begins = { after: this.kept.shift()?.id };
  }

  keepCopy(id: string, text: string, from: string): void {
    this.copies.push({ id, text, from, after: this.last });
    if (this.copies.length > MAX_KEPT) this.lastCopy = this.copies.shift()?.id;
  }

  /** A subscription begins, at a point where the server knew that; what it sends for it comes behind. */
  begin(point: Point | undefined): void {
    this.kept.length = 0;
    this.isStale = false;
    this.begins = point;
  }

  /** Whether a point that is not known is one to wait for, or to go back to: one without an id has no place among them. */
  hasPlace({ after }: Point): boolean {
    return after !== undefined && this.subscribed?.data?.resume !== undefined;
  }

  /** What came after a point; `undefined` when that is not known. */
  since(point: Point): Since | undefined {
    const { begins, subscribed } = this;
    const { after, token } = point;
    // Tabs that have seen nothing yet have the token of then, or of now.
    const isFirst = token !== undefined && [begins?.token, subscribed?.data?.resume?.token].includes(token);
    const isBegin = begins !== undefined && begins.after === after && (after !== undefined || isFirst);
    const place = this.kept.findIndex(({ id }) => id === after);
    if (!isBegin && place < 0) return undefined;
    const kept = this.kept.slice(place + 1);
    const copies = this.copiesSince(point);
    const isBehind = ({ after: before }: Copy) => !kept.some(({ id }) => id === before);
    const behind = (id: string) => copies?.filter((copy) => copy.after === id).map(({ text }) => text) ?? [];
    return {
      texts: [
        ...(copies?.filter(isBehind).map(({ text }) => text) ?? []),
        ...kept.flatMap(({ id, text = [] }) => [text, behind(id)].flat()),
      ],
      isWhole: copies !== undefined,
    };
  }

  /** Copies that were made since the last one that a tab was given; `undefined` when nobody knows which those are. */
  copiesSince({ copy }: Point): readonly Copy[] | undefined {
    if (copy === this.lastCopy) return this.copies;
    const place = this.copies.findIndex(({ id }) => id === copy);
    // Where nothing is remembered nobody can tell.
    if (place < 0) return this.memory.isThere ? undefined : this.copies;
    return this.copies.slice(place + 1);
  }

  /** Who asked is sent again what came since a point: these copies go between. */
  owe(tab: string, copies: readonly Copy[]): void {
    this.owedTo = tab;
    this.owed = copies;
  }

  /** Those that have their place now. @param id of the message that was sent; absent: the rest */
  due(id?: string): { readonly to: readonly string[]; readonly texts: readonly string[] } {
    const due = this.owed.filter(({ after }) => id === undefined || after === id);
    this.owed = this.owed.filter((copy) => !due.includes(copy));
    return { to: [this.owedTo], texts: due.map(({ text }) => text) };
  }
}

/** Whether others hear of it. */
export function isMessage({ event }: Frame): boolean {
  return event?.startsWith('hotsock.') === false;
}

/** Whether it says that nobody had to ask for the channel. */
export function isAuto(frame: Frame | undefined): boolean {
  return frame?.data?.autoSubscribed === true;
}
