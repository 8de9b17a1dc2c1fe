import type { Off } from './types';

/** Functions that are called with each value; one that throws is no reason for the others not to be. */
export class Listeners<T> {
  private readonly functions = new Set<{ readonly call: (value: T) => void }>();

  get size(): number {
    return this.functions.size;
  }

  /** @returns ends it; may be called more than once */
  add(call: (value: T) => void): Off {
    const entry = { call };
    this.functions.add(entry);
    return () => void this.functions.delete(entry);
  }

  emit(value: T, onError: (error: unknown) => void): void {
    for (const { call } of [...this.functions]) attempt(() => call(value), onError);
  }

  clear(): void {
    this.functions.clear();
  }
}

/** Calls what the application gave us. A promise that it makes is looked at too: a rejection must not go unhandled. */
export function attempt(call: () => unknown, onError: (error: unknown) => void): void {
  try {
    // A promise of another realm is no instance of ours.
    (call() as Promise<unknown> | undefined)?.then?.(undefined, onError);
  } catch (error) {
    onError(error);
  }
}

/** Lets a promise be ignored: its failure is told to whoever waits for it, and to nobody else. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
