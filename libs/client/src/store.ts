import type { Store } from './types';

/** What is used of the browser's `Storage`. */
interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Keeps resume points while the program runs, for clients that come one after the other. */
export function memoryStore(): Store {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void (value === null ? values.delete(key) : values.set(key, value)),
  };
}

/** Keeps resume points over reloads of a tab. */
export function sessionStore(): Store {
  // Looked at when it is used: it may not be there, and reading it may throw.
  const storage = (): WebStorage => (globalThis as unknown as { sessionStorage: WebStorage }).sessionStorage;
  return {
    get: (key) => storage().getItem(key),
    set: (key, value) => (value === null ? storage().removeItem(key) : storage().setItem(key, value)),
  };
}
