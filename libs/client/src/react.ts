import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from 'react';
import { historyList, knownHistoryList, LOADING, type HistoryState } from './history-list';
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
 * Hooks for React 18 and later (client-library §8). A name that is not known yet (`null`, or what a router has before it has
 * one: `''`, `undefined`) is that of no channel: rendering must go on.
 */

const Client = createContext<HearthClient | null>(null);
const IDLE: { state: State; error: HearthError | undefined } = Object.freeze({ state: 'idle', error: undefined });
const NOBODY = Object.freeze({ members: Object.freeze([]), synced: false });
const never = (): Off => () => undefined;
const nothing = (): undefined => undefined;
const NOTHING_STORED = {
  subscribe: never,
  value: nothing,
  pending: () => false,
  set: (): Promise<void> => Promise.reject(new Error('there is no channel yet')),
};
const NO_HISTORY = { subscribe: never, get: () => LOADING, loadOlder: (): Promise<void> => Promise.resolve() };

/** A client of whatever channels. */
type AnyClient = Pick<HearthClient, 'state' | 'error' | 'connect'>;

/** Gives a client to everything inside. */
export function HearthProvider({ client, children }: { client: AnyClient; children?: unknown }): Untyped {
  return createElement(Client.Provider, { value: client as HearthClient }, children);
}

/** @throws Error outside of a `HearthProvider` */
export function useClient<S extends Shapes<S> = Untyped>(): HearthClient<S> {
  const client = useContext(Client);
  if (client === null) throw new Error('there is no HearthProvider around this component');
  return client as HearthClient<S>;
}

const connections = new WeakMap<HearthClient, typeof IDLE>();

function connectionOf(client: HearthClient): typeof IDLE {
  const { state, error } = client;
  const last = connections.get(client);
  if (last?.state === state && last.error === error) return last;
  const next = { state, error };
  connections.set(client, next);
  return next;
}

/** Whether the client is connected, and why not. */
export function useConnection(): { readonly state: State; readonly error: HearthError | undefined } {
  const client = useClient();
  const [subscribe, get] = useMemo(
    () => [(onChange: () => void) => client.on('state', onChange), () => connectionOf(client)] as const,
    [client],
  );
  return useSyncExternalStore(subscribe, get, () => IDLE);
}

/** Keeps a channel subscribed while the component is there. */
export function useChannel<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: N,
): HearthChannel<Of<S, N>>;
export function useChannel<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: N | null,
): HearthChannel<Of<S, N>> | null;
export function useChannel(name: string | null): unknown {
  const client = useClient();
  const channel = name ? client.channel(name) : null;
  useEffect(() => channel?.hold(), [channel]);
  return channel;
}

/** Calls the newest `listener` with each message of a channel. */
export function useEvent<
  S extends Shapes<S> = Untyped,
  N extends Name<S> & string = Name<S> & string,
  E extends string = string,
>(
  name: N | null,
  event: E,
  listener: (message: E extends keyof Events<Of<S, N>> ? Message<Of<S, N>, E> : Message<Of<S, N>>) => void,
): void {
  const client = useClient();
  const newest = useRef(listener as (message: never) => void);
  useInsertionEffect(() => void (newest.current = listener as (message: never) => void));
  useEffect(() => {
    if (!name) return undefined;
    const channel = client.channel(name as never) as HearthChannel<Untyped>;
    // Kept besides, so that a component that comes back at once finds the channel subscribed.
    return both(
      channel.on(event, (message) => newest.current(message as never)),
      channel.hold(),
    );
  }, [client, name, event]);
}

interface PresenceSnapshot<T> {
  readonly members: readonly Member<Umd<T>>[];
  readonly synced: boolean;
}

const presences = new WeakMap<object, PresenceSnapshot<unknown>>();

/** Who is in a presence channel. */
export function usePresence<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: N | null,
): PresenceSnapshot<Of<S, N>> {
  const client = useClient();
  const [subscribe, get] = useMemo(() => {
    if (!name) return [never, () => NOBODY] as const;
    const channel = client.channel(name as never) as HearthChannel<Untyped>;
    const { presence } = channel;
    const snapshot = (): PresenceSnapshot<unknown> => {
      const { members, synced } = presence;
      const last = presences.get(presence);
      if (last?.members === members && last.synced === synced) return last;
      const next = { members, synced };
      presences.set(presence, next);
      return next;
    };
    return [(onChange: () => void) => both(presence.subscribe(onChange), channel.hold()), snapshot] as const;
  }, [client, name]);
  return useSyncExternalStore<PresenceSnapshot<unknown>>(subscribe, get, () => NOBODY);
}

/** A value that a channel keeps; `set` shows at once. */
export function useStorage<
  S extends Shapes<S> = Untyped,
  N extends Name<S> & string = Name<S> & string,
  K extends keyof Stored<Of<S, N>> & string = keyof Stored<Of<S, N>> & string,
>(
  name: N,
  key: K,
): readonly [
  value: Stored<Of<S, N>>[K] | undefined,
  set: (value: Stored<Of<S, N>>[K]) => Promise<void>,
  state: { readonly pending: boolean },
] {
  const client = useClient();
  const { subscribe, value, pending, set } = useMemo(() => {
    if (!name) return NOTHING_STORED;
    const channel = client.channel(name as never) as HearthChannel<Untyped>;
    return {
      subscribe: (onChange: () => void) => both(channel.storage.subscribe(onChange), channel.hold()),
      value: (): unknown => channel.storage.get(key),
      pending: () => channel.storage.pending(key),
      set: (next: unknown) => channel.storage.set(key, next),
    };
  }, [client, name, key]);
  const current = useSyncExternalStore<unknown>(subscribe, value, nothing);
  const isPending = useSyncExternalStore(subscribe, pending, () => false);
  return [current as Stored<Of<S, N>>[K] | undefined, set, { pending: isPending }];
}

/** The newest messages of a channel and what comes after them. */
export function useHistory<S extends Shapes<S> = Untyped, N extends Name<S> & string = Name<S> & string>(
  name: N,
  { limit, suspense = false }: { limit?: number; suspense?: boolean } = {},
): HistoryState<Message<Of<S, N>>> & { readonly loadOlder: () => Promise<void> } {
  const client = useClient();
  // What a server renders is the same for everybody: it loads nothing.
  const isServer = (globalThis as { document?: unknown }).document === undefined;
  if (suspense && !isServer && name) {
    const list = historyList(client.channel(name), limit);
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what React waits for
    if (list.get().status === 'loading') throw list.loaded;
  }
  const { subscribe, get, loadOlder } = useMemo(() => {
    if (!name) return NO_HISTORY;
    const list = () => historyList(client.channel(name), limit);
    return {
      subscribe: (onChange: () => void) => {
        const off = list().subscribe(onChange);
        onChange();
        return off;
      },
      get: () => knownHistoryList(client.channel(name), limit)?.get() ?? LOADING,
      loadOlder: () => list().loadOlder(),
    };
  }, [client, name, limit]);
  const state = useSyncExternalStore(subscribe, get, () => LOADING);
  return { ...(state as HistoryState<Message<Of<S, N>>>), loadOlder };
}
