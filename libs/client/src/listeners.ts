import type { Off } from './types';

/** Functions that are called with each value; one that throws is no reason for the others not to be. */
export class Listeners<T> {
  private readonly functions = new Set<{ readonly listener: (value: T) => void }>();

  /** @param onError is told what they throw */
  constructor(private readonly onError: (error: unknown) => void) {}

  get size(): number {
    return this.functions.size;
  }

  /** @returns ends it; may be called more than once */
  add(listener: (value: T) => void): Off {
    check('function', { listener: listener ?? null });
    const entry = { listener };
    this.functions.add(entry);
    return () => void this.functions.delete(entry);
  }

  emit(value: T): void {
    for (const { listener } of [...this.functions]) attempt(() => listener(value), this.onError);
  }

  clear(): void {
    this.functions.clear();
  }
}

/** Ends two things. */
export function both(one: Off, other: Off): Off {
  return () => {
    one();
    other();
  };
}

/** Promises of those who wait for the same thing. */
export class Waiters {
  private waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  wait(): Promise<void> {
    return handled(new Promise<void>((resolve, reject) => this.waiting.push({ resolve, reject })));
  }

  settle(error?: Error): void {
    for (const { resolve, reject } of this.waiting.splice(0)) {
      if (error) reject(error);
      else resolve();
    }
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

/** Goes on with a value: at once where it is there, so that nothing comes between. */
export function after<T, U>(value: T | Promise<T>, next: (value: T) => U): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Lets a promise be ignored: its failure is told to whoever waits for it, and to nobody else. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** An object for names that others chose: `constructor` is one like any other. */
export function record<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

/**
 * @param values by the names that they are known by; `undefined` is always right
 * @throws TypeError that names the first one that is of another type, an empty string or no number from 0
 */
export function check(type: 'function' | 'boolean' | 'number' | 'string', values: object): void {
  for (const [name, value] of Object.entries(values) as [string, unknown][]) {
    const isUsual = typeof value === type && value !== '' && (type !== 'number' || (value as number) >= 0);
    if (value !== undefined && !isUsual) throw new TypeError(`${name} must be a ${type}`);
  }
}
