import { both } from './presence';
import { Listeners } from './listeners';
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

  constructor(
    private readonly channel: AnyChannel,
    private readonly limit: number,
    private readonly forget: (list: HistoryList) => void,
  ) {
    const early: AnyMessage[] = [];
    let take = (message: AnyMessage): void => void early.push(message);
    this.release = both(
      channel.hold(),
      channel.on('*', (message: AnyMessage) => take(message)),
    );
    this.loaded = this.older(undefined).then(
      () => {
        take = (message) => this.append([message]);
        this.append(early);
      },
      () => this.set({ ...this.state, status: 'failed' }),
    );
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

  /** Gets what came before the first message. */
  loadOlder = (): Promise<void> => this.older(this.state.messages[0]?.id);

  private async older(before: string | undefined): Promise<void> {
    const older: AnyMessage[] = [];
    for await (const message of this.channel.history({ reverse: true, limit: this.limit, before })) {
      if (this.isNew(message)) older.unshift(message);
    }
    this.set({ messages: [...older, ...this.state.messages], status: 'ready' });
  }

  private append(messages: readonly AnyMessage[]): void {
    const news = messages.filter((message) => this.isNew(message));
    if (news.length > 0) this.set({ messages: [...this.state.messages, ...news], status: 'ready' });
  }

  private isNew({ id }: AnyMessage): boolean {
    if (id === undefined) return true;
    if (this.ids.has(id)) return false;
    this.ids.add(id);
    return true;
  }

  private set(state: HistoryState): void {
    this.state = state;
    this.changed.emit();
  }

  private whenUnused(): void {
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
