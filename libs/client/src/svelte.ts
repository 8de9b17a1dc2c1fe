import { historyList, type HistoryState } from './history-list';
import type { HearthClient, HearthError } from './index';
import { both } from './listeners';
import type { Events, HearthChannel, Member, Message, Off, State, Stored, Umd } from './types';

/** Stores for Svelte, as its store contract wants them (client-library §8): `$members` in a component, or `subscribe`. */

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
  client: Pick<HearthClient, 'state' | 'error' | 'on'>,
): Readable<{ readonly state: State; readonly error: HearthError | undefined }> {
  return readable(
    (onChange) => client.on('state', onChange),
    () => ({ state: client.state, error: client.error }),
  );
}

/** Each message with this event, `undefined` before the first; subscribed while somebody listens. */
export function event<T, E extends keyof Events<T> & string>(
  channel: HearthChannel<T>,
  name: E,
): Readable<Message<T, E> | undefined> {
  return {
    subscribe: (run) => {
      run(undefined);
      return both(channel.on(name, run), channel.hold());
    },
  };
}

/** Who is in a presence channel. */
export function presence<T>(
  channel: HearthChannel<T>,
): Readable<{ readonly members: readonly Member<Umd<T>>[]; readonly synced: boolean }> {
  return readable(
    (onChange) => both(channel.presence.subscribe(onChange), channel.hold()),
    () => ({ members: channel.presence.members, synced: channel.presence.synced }),
  );
}

/** A value that a channel keeps; `set` shows at once. */
export function storage<T, K extends keyof Stored<T> & string>(
  channel: HearthChannel<T>,
  key: K,
): Readable<Stored<T>[K] | undefined> & { set(value: Stored<T>[K]): Promise<void> } {
  const store = readable(
    (onChange) => both(channel.storage.subscribe(onChange), channel.hold()),
    () => channel.storage.get(key),
  );
  return { ...store, set: (value) => channel.storage.set(key, value) };
}

/** The newest messages of a channel and what comes after them. */
export function history<T>(
  channel: HearthChannel<T>,
  { limit }: { limit?: number } = {},
): Readable<HistoryState<Message<T>>> & { loadOlder(): Promise<void> } {
  const list = () => historyList(channel, limit);
  return {
    subscribe: (run) => {
      const tell = (): void => run(list().get() as HistoryState<Message<T>>);
      tell();
      return list().subscribe(tell);
    },
    loadOlder: () => list().loadOlder(),
  };
}
