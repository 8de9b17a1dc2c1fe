import { historyList, type HistoryState } from './history-list';
import type { HearthClient, HearthError } from './index';
import { both } from './presence';
import type { Events, HearthChannel, Member, Message, Name, Of, Off, Shapes, State, Stored, Umd } from './types';

/** Stores for Svelte, as its store contract wants them (client-library §8): `$presence` in a component, or `subscribe`. */

export interface Readable<T> {
  subscribe(run: (value: T) => void): Off;
}

function readable<T>(listen: (onChange: () => void) => Off, get: () => T): Readable<T> {
  return {
    subscribe: (run) => {
      run(get());
      return listen(() => run(get()));
    },
  };
}

/** Whether the client is connected, and why not. */
export function connection(
  client: HearthClient,
): Readable<{ readonly state: State; readonly error: HearthError | undefined }> {
  return readable(
    (onChange) => client.on('state', onChange),
    () => ({ state: client.state, error: client.error }),
  );
}

/** The last message with this event, and each that comes; subscribed while somebody listens. */
export function event<S extends Shapes<S>, N extends Name<S> & string, E extends keyof Events<Of<S, N>> & string>(
  client: HearthClient<S>,
  name: N,
  name_: E,
): Readable<Message<Of<S, N>, E> | undefined> {
  return {
    subscribe: (run) => {
      run(undefined);
      const channel = client.channel(name);
      return both(channel.on(name_, run), channel.hold());
    },
  };
}

/** Who is in a presence channel. */
export function presence<S extends Shapes<S>, N extends Name<S> & string>(
  client: HearthClient<S>,
  name: N,
): Readable<{ readonly members: readonly Member<Umd<Of<S, N>>>[]; readonly synced: boolean }> {
  const channel = client.channel(name);
  return readable(
    (onChange) => both(channel.presence.subscribe(onChange), channel.hold()),
    () => ({ members: channel.presence.members, synced: channel.presence.synced }),
  );
}

/** A value that a channel keeps; `set` shows at once. */
export function storage<S extends Shapes<S>, N extends Name<S> & string, K extends keyof Stored<Of<S, N>> & string>(
  client: HearthClient<S>,
  name: N,
  key: K,
): Readable<Stored<Of<S, N>>[K] | undefined> & { set(value: Stored<Of<S, N>>[K]): Promise<void> } {
  const channel: HearthChannel<Of<S, N>> = client.channel(name);
  const store = readable(
    (onChange) => both(channel.storage.subscribe(onChange), channel.hold()),
    () => channel.storage.get(key),
  );
  return { ...store, set: (value) => channel.storage.set(key, value) };
}

/** The newest messages of a channel and what comes after them. */
export function history<S extends Shapes<S>, N extends Name<S> & string>(
  client: HearthClient<S>,
  name: N,
  { limit }: { limit?: number } = {},
): Readable<HistoryState<Message<Of<S, N>>>> & { loadOlder(): Promise<void> } {
  const list = () => historyList(client as HearthClient, name, limit);
  const store = {
    subscribe: (run: (value: HistoryState<Message<Of<S, N>>>) => void): Off => {
      const tell = (): void => run(list().get() as HistoryState<Message<Of<S, N>>>);
      tell();
      return list().subscribe(tell);
    },
  };
  return { ...store, loadOlder: () => list().loadOlder() };
}
