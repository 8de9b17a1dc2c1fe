import {
  inject,
  type MaybeRefOrGetter,
  onMounted,
  provide,
  type Ref,
  shallowReactive,
  toRefs,
  toValue,
  watch,
} from 'vue';
import { historyList, LOADING, type HistoryState } from './history-list';
import type { HearthClient, HearthError } from './index';
import { both } from './listeners';
import type {
  Events,
  HearthChannel,
  Member,
  Message,
  Name,
  Of,
  Off,
  Shapes,
  State,
  Stored,
  Umd,
  Untyped,
} from './types';

/**
 * Composables for Vue 3.3 and later, to be called in `setup` (client-library §8). What they give are refs; names may be refs or
 * getters. Nothing begins before the component is mounted, so that a server renders what a page begins with.
 */

const CLIENT = Symbol.for('hearth.client');
const NOBODY = { members: Object.freeze([]) as readonly never[], synced: false };

/** A client of whatever channels. */
type AnyClient = Pick<HearthClient, 'state' | 'error' | 'connect'>;
type AnyChannel = HearthChannel<Untyped>;
type Source<T> = MaybeRefOrGetter<T>;

/** Gives a client, its property `client`, to everything inside. */
export const HearthProvider = {
  props: ['client'],
  setup({ client }: { client: AnyClient }, { slots }: { slots: { default?: () => unknown } }): () => unknown {
    provide(CLIENT, client);
    return () => slots.default?.();
  },
};

/** @throws Error where no client was provided */
export function useClient<S extends Shapes<S> = Untyped>(): HearthClient<S> {
  const client = inject<unknown>(CLIENT, null);
  if (client === null) throw new Error('no client was provided to this component');
  return client as HearthClient<S>;
}

/** The members of what is shown, each a ref. */
type Refs<T> = { readonly [K in keyof T]: Ref<T[K]> };

/**
 * What something says, from when the component is mounted until it is not, and for as long as `key` is the same.
 *
 * @param listen tells of changes, and first what is
 */
function useView<Key, T extends object>(
  key: () => Key,
  listen: (key: Key, tell: (now: T) => void) => Off,
  initial: T,
): Refs<T> {
  const state = shallowReactive({ ...initial });
  const begin = (now: Key, _: unknown, onCleanup: (end: Off) => void): void => {
    Object.assign(state, initial);
    onCleanup(listen(now, (value) => void Object.assign(state, value)));
  };
  onMounted(() => watch(key, begin, { immediate: true }));
  return toRefs(state);
}

/** The same for a channel, or none. */
function useChannelView<T extends object>(
  name: Source<string | null>,
  listen: (channel: AnyChannel, tell: (now: T) => void) => Off,
  initial: T,
): Refs<T> {
  const client = useClient();
  const begin = (now: string | null, tell: (now: T) => void): Off => {
    // What a router has before it knows the name is that of no channel, too.
    if (!now) return () => undefined;
    const channel = client.channel(now);
    // Kept besides, so that a component that comes back at once finds the channel subscribed.
    return both(listen(channel, tell), channel.hold());
  };
  return useView(() => toValue(name), begin, initial);
}

/** Tells now, and whenever there is a change. */
function telling(subscribe: (onChange: () => void) => Off, tell: () => void): Off {
  const off = subscribe(tell);
  tell();
  return off;
}

/** Whether the client is connected, and why not. */
export function useConnection(): Refs<{ readonly state: State; readonly error: HearthError | undefined }> {
  const client = useClient();
  const view = (one: HearthClient, tell: (now: { state: State; error: HearthError | undefined }) => void): Off =>
    telling(
      (onChange) => one.on('state', onChange),
      () => tell({ state: one.state, error: one.error }),
    );
  return useView(() => client, view, { state: 'idle', error: undefined });
}

/** Keeps a channel subscribed while the component is there. */
export function useChannel<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: Source<N | null>,
): Ref<HearthChannel<Of<S, N>> | null> {
  type View = { channel: HearthChannel<Of<S, N>> | null };
  const listen = (channel: AnyChannel, tell: (now: View) => void): Off => {
    tell({ channel: channel as HearthChannel<Of<S, N>> });
    return () => undefined;
  };
  return useChannelView<View>(name, listen, { channel: null }).channel;
}

/** Calls `listener` with each message of a channel. */
export function useEvent<
  S extends Shapes<S> = Untyped,
  N extends Name<S> & string = Name<S> & string,
  E extends string = string,
>(
  name: Source<N | null>,
  event: E,
  listener: (message: E extends keyof Events<Of<S, N>> ? Message<Of<S, N>, E> : Message<Of<S, N>>) => void,
): void {
  useChannelView(name, (channel) => channel.on(event, listener as (message: Untyped) => void), {});
}

/** Who is in a presence channel. */
export function usePresence<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: Source<N | null>,
): Refs<{ readonly members: readonly Member<Umd<Of<S, N>>>[]; readonly synced: boolean }> {
  const listen = ({ presence }: AnyChannel, tell: (now: typeof NOBODY) => void): Off =>
    telling(
      (onChange) => presence.subscribe(onChange),
      () => tell({ members: presence.members as readonly never[], synced: presence.synced }),
    );
  return useChannelView(name, listen, NOBODY);
}

/** A value that a channel keeps; `set` shows at once. */
export function useStorage<
  S extends Shapes<S> = Untyped,
  N extends Name<S> & string = Name<S> & string,
  K extends keyof Stored<Of<S, N>> & string = keyof Stored<Of<S, N>> & string,
>(
  name: Source<N>,
  key: K,
): readonly [
  value: Ref<Stored<Of<S, N>>[K] | undefined>,
  set: (value: Stored<Of<S, N>>[K]) => Promise<void>,
  state: { readonly pending: Ref<boolean> },
] {
  const client = useClient();
  type Value = Stored<Of<S, N>>[K] | undefined;
  type Snapshot = { current: Value; pending: boolean };
  const listen = ({ storage }: AnyChannel, tell: (now: Snapshot) => void): Off =>
    telling(
      (onChange) => storage.subscribe(onChange),
      () => tell({ current: storage.get(key) as Value, pending: storage.pending(key) }),
    );
  const { current, pending } = useChannelView<Snapshot>(name, listen, { current: undefined, pending: false });
  const set = (value: unknown): Promise<void> => client.channel(toValue(name)).storage.set(key, value);
  return [current, set, { pending }];
}

/** The newest messages of a channel and what comes after them. */
export function useHistory<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: Source<N>,
  { limit }: { limit?: number } = {},
): Refs<HistoryState<Message<Of<S, N>>>> & { readonly loadOlder: () => Promise<void> } {
  const client = useClient();
  type State = HistoryState<Message<Of<S, N>>>;
  const listen = (channel: AnyChannel, tell: (now: State) => void): Off => {
    const list = historyList(channel, limit);
    return telling(list.subscribe, () => tell(list.get() as State));
  };
  const loadOlder = (): Promise<void> => historyList(client.channel(toValue(name)), limit).loadOlder();
  return { ...useChannelView<State>(name, listen, LOADING), loadOlder };
}
