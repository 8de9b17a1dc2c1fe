import { both, handled, Listeners } from './listeners';
import type { Off } from './types';

interface Write {
  readonly value: unknown;
  /** The server has told everybody of it. */
  isEchoed: boolean;
}

/** What a channel keeps (client-library §7): the server's values, and over them the writes of ours that are on their way. */
export class StorageView {
  synced = false;
  private readonly server = new Map<string, unknown>();
  /** Writes on their way, oldest first. */
  private readonly writes = new Map<string, Write[]>();
  /** Keys that have not come again since the subscription began; absent when nothing is under way. */
  private stale: Set<string> | undefined;
  private snapshot: ReadonlyMap<string, unknown> | undefined;
  private readonly changed;

  constructor(
    private readonly hold: () => Off,
    private readonly send: (key: string, value: unknown) => Promise<unknown>,
    onError: (error: unknown) => void,
  ) {
    this.changed = new Listeners<void>(onError);
  }

  subscribe = (onChange: () => void): Off => both(this.changed.add(onChange), this.hold());

  get = (key: string): unknown => {
    const write = this.writes.get(key)?.at(-1);
    if (write === undefined) return this.server.get(key);
    return isNoValue(write.value) ? undefined : write.value;
  };

  entries = (): ReadonlyMap<string, unknown> => {
    if (this.snapshot === undefined) {
      const all = new Map(this.server);
      for (const key of this.writes.keys()) {
        const value = this.get(key);
        if (value === undefined) all.delete(key);
        else all.set(key, value);
      }
      this.snapshot = all;
    }
    return this.snapshot;
  };

  pending = (key: string): boolean => this.writes.has(key);

  set = (key: string, value: unknown): Promise<void> => handled(this.write(key, value));

  private async write(key: string, value: unknown): Promise<void> {
    const write: Write = { value, isEchoed: false };
    this.writes.set(key, [...(this.writes.get(key) ?? []), write]);
    this.change();
    try {
      await this.send(key, value);
      // The answer may be here before its echo, and for whoever may not observe there is none.
      if (!write.isEchoed) this.put(key, value);
    } finally {
      const rest = this.writes.get(key)?.filter((one) => one !== write);
      if (rest?.length) this.writes.set(key, rest);
      else this.writes.delete(key);
      this.change();
    }
  }

  delete = (key: string): Promise<void> => this.set(key, null);

  /** The server tells of a value. */
  take(key: string, value: unknown): void {
    this.stale?.delete(key);
    const text = JSON.stringify(value);
    const echoed = this.writes.get(key)?.find((write) => !write.isEchoed && JSON.stringify(write.value) === text);
    if (echoed !== undefined) echoed.isEchoed = true;
    if (JSON.stringify(this.server.get(key) ?? null) === text) return;
    this.put(key, value);
    this.change();
  }

  /** A subscription begins: all that is comes, until `end`. */
  begin(): void {
    this.stale = new Set(this.server.keys());
  }

  /** What has not come is gone. */
  end(): void {
    this.stale?.forEach((key) => this.server.delete(key));
    this.stale = undefined;
    this.synced = true;
    this.change();
  }

  lost(): void {
    this.stale = undefined;
    if (!this.synced) return;
    this.synced = false;
    this.change();
  }

  clear(): void {
    this.changed.clear();
    this.server.clear();
    this.synced = false;
    this.change();
  }

  private put(key: string, value: unknown): void {
    if (isNoValue(value)) this.server.delete(key);
    else this.server.set(key, value);
  }

  private change(): void {
    this.snapshot = undefined;
    this.changed.emit();
  }
}

/** `null` and `{}` clear an entry (channels-presence-storage §5.1). */
function isNoValue(value: unknown): boolean {
  return JSON.stringify(value ?? {}) === '{}';
}
