import type { HearthError } from './errors';
import { both, Listeners } from './listeners';
import type { HearthChannel, Message, Off, Untyped } from './types';

type AnyMessage = Message<Untyped>;
type AnyChannel = HearthChannel<Untyped>;

export interface HistoryState<M = AnyMessage> {
  /** Oldest first; the same array as long as nothing changes. */
  readonly messages: readonly M[];
  readonly status: 'loading' | 'ready' | 'failed';
}

const DEFAULT_LIMIT = 50;
/** A list that nobody looks at is kept so long: who comes back at once finds it. */
const LINGER_MS = 500;
/** What could not be loaded is asked for again after this time. */
const AGAIN_MS = 5_000;
const LOADING: HistoryState<never> = Object.freeze({ messages: Object.freeze([]), status: 'loading' as const });

/**
 * The newest messages of a channel and what comes after them, for something that shows them: begins with the last ones,
 * grows at both ends.
 */
export class HistoryList {
  state: HistoryState = LOADING;
  readonly loaded: Promise<void>;
  private readonly changed = new Listeners<void>(() => undefined);
  private readonly release: Off;
  private readonly ids = new Set<string>();
  /** What came while the newest ones are loaded. */
  private early: AnyMessage[] | undefined;
  /** A hole has come meanwhile. */
  private isDue = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends what is being read when nobody looks at the list any more. */
  private readonly left = new AbortController();

  constructor(
    private readonly channel: AnyChannel,
    private readonly limit: number,
    private readonly forget: (list: HistoryList) => void,
  ) {
    this.release = [
      channel.hold(),
      channel.on('*', (message: AnyMessage) =>
        this.early === undefined ? this.append(message) : this.early.push(message),
      ),
      channel.onGap(() => void this.load()),
      // What could not be loaded may be had now: until then there is a hole.
      channel.on('hotsock.subscribed', () => {
        if (this.state.status === 'failed' && this.early === undefined) void this.load();
      }),
      () => clearTimeout(this.timer),
      () => this.left.abort(),
    ].reduce(both);
    this.loaded = this.load();
    void this.loaded.then(() => this.whenUnused());
  }

  subscribe = (onChange: () => void): Off => {
    const off = this.changed.add(onChange);
    return () => {
      off();
      this.whenUnused();
    };
  };

  get = (): HistoryState => this.state;

  /** The newest ones, in place of what there is: after a gap that would have a hole. One at a time, and what comes is kept. */
  private async load(): Promise<void> {
    clearTimeout(this.timer);
    this.isDue = true;
    if (this.early !== undefined) return;
    const early: AnyMessage[] = (this.early = []);
    let failure: unknown;
    while (this.isDue) {
      this.isDue = false;
      failure = undefined;
      // Where it fails, what there is stays.
      const newest = await this.read(undefined).catch((error: unknown) => void (failure = error));
      if (this.isLeft) return;
      if (newest) this.ids.clear();
      const messages = [...(newest ? this.news(newest) : this.state.messages), ...this.news(early)];
      this.set({ messages, status: newest ? 'ready' : 'failed' });
    }
    this.early = undefined;
    if ((failure as Partial<HearthError> | undefined)?.retryable === true)
      this.timer = setTimeout(() => void this.load(), AGAIN_MS);
  }

  /** Gets what came before the first message. */
  loadOlder = async (): Promise<void> => {
    const [first] = this.state.messages;
    const older = await this.read(first?.id).catch((error: unknown) => {
      if (!this.isLeft) throw error;
    });
    // It began anew meanwhile.
    if (!older || this.state.messages[0] !== first) return;
    const status = first === undefined ? 'ready' : this.state.status;
    this.set({ messages: [...this.news(older), ...this.state.messages], status });
  };

  private async read(before: string | undefined): Promise<readonly AnyMessage[]> {
    const messages: AnyMessage[] = [];
    const { signal } = this.left;
    for await (const message of this.channel.history({ reverse: true, limit: this.limit, before, signal }))
      messages.unshift(message);
    return messages;
  }

  private append(message: AnyMessage): void {
    const news = this.news([message]);
    if (news.length > 0) this.set({ ...this.state, messages: [...this.state.messages, ...news] });
  }

  /** Those that were not there before. */
  private news(messages: readonly AnyMessage[]): readonly AnyMessage[] {
    return messages.filter(({ id }) => {
      if (id === undefined) return true;
      const isNew = !this.ids.has(id);
      this.ids.add(id);
      return isNew;
    });
  }

  private set(state: HistoryState): void {
    this.state = state;
    this.changed.emit();
  }

  private get isLeft(): boolean {
    return this.left.signal.aborted;
  }

  private whenUnused(): void {
    if (this.isLeft) return;
    setTimeout(() => {
      if (this.changed.size > 0) return;
      this.forget(this);
      this.release();
    }, LINGER_MS);
  }
}

const lists = new WeakMap<AnyChannel, Map<number, HistoryList>>();

/** The list that there is: looking at it makes none. */
export function knownHistoryList(channel: AnyChannel, limit = DEFAULT_LIMIT): HistoryList | undefined {
  return lists.get(channel)?.get(limit);
}

/** The one list of a channel and a length. */
export function historyList(channel: AnyChannel, limit = DEFAULT_LIMIT): HistoryList {
  const ofChannel = lists.get(channel) ?? new Map<number, HistoryList>();
  lists.set(channel, ofChannel);
  let list = ofChannel.get(limit);
  if (list === undefined) {
    list = new HistoryList(channel, limit, (gone) => ofChannel.get(limit) === gone && ofChannel.delete(limit));
    ofChannel.set(limit, list);
  }
  return list;
}

export { LOADING };
