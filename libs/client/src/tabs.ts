import { CopyMemory } from './tabs-channel';
import { Hub } from './tabs-hub';
import type { Socket } from './types';

/**
 * One connection for all tabs (client-library §7). Each tab's client has a socket that looks like one of its own. Behind them is one
 * WebSocket, of the tab that holds a Web Lock; the others reach it through a BroadcastChannel. When it ends, all of them
 * connect anew, as after any loss, and the first one there holds the lock.
 *
 * Loaded only where somebody asks for it: it knows nothing of the rest of this library.
 */

/** What the tabs say to the one that connects. */
export interface ToHub {
  readonly from: string;
  /** It comes, and would have connected to this. */
  readonly url?: string;
  readonly text?: string;
  readonly isOver?: boolean;
}

/** What is said to tabs: those that are named, or all. */
export interface ToTabs {
  readonly to?: readonly string[];
  /** There is a new one that connects. */
  readonly isNew?: boolean;
  readonly text?: string;
  readonly isOpen?: boolean;
  readonly code?: number;
  readonly reason?: string;
}

export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal },
    granted: () => Promise<unknown> | undefined,
  ): Promise<unknown>;
}

interface Channel {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** Who connects answers in this time, or it is not there. */
const SILENT_MS = 2_000;
const CLOSED = 3;

/**
 * @param name the same for tabs that may share
 * @param url what this tab would connect to
 * @param open makes a WebSocket of its own
 * @returns `undefined` where the browser cannot share
 */
export function shareSocket(name: string, url: string, open: () => Socket): Socket | undefined {
  const scope = globalThis as unknown as {
    navigator?: { locks?: Locks };
    BroadcastChannel?: new (name: string) => Channel;
  };
  const locks = scope.navigator?.locks;
  if (locks === undefined || scope.BroadcastChannel === undefined) return undefined;
  return new TabSocket(name, url, open, locks, new scope.BroadcastChannel(name));
}

class TabSocket implements Socket {
  readyState = 0;
  onopen: Socket['onopen'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  onmessage: Socket['onmessage'] = null;
  private readonly id = Math.random().toString(36).slice(2);
  private readonly end = new AbortController();
  private hub: Hub | undefined;
  private own: Socket | undefined;
  /** Its own lock is taken: who connects would take it for gone otherwise. */
  private isHere = false;
  private isHeard = false;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly name: string,
    private readonly url: string,
    private readonly open: () => Socket,
    private readonly locks: Locks,
    private readonly channel: Channel,
  ) {
    channel.onmessage = ({ data }) => {
      const message = data as Partial<ToHub> & ToTabs;
      // Who connects hears itself directly: what else is said to tabs is from the one before, and late.
      if (this.hub === undefined || message.from !== undefined) this.take(message);
    };
    const { signal } = this.end;
    const aborted = (): void => undefined;
    // As long as this tab is there: who connects waits for it to be free.
    const here = new Promise((resolve) => signal.addEventListener('abort', resolve));
    const come = (): Promise<unknown> => {
      this.isHere = true;
      this.ask({ url });
      return here;
    };
    locks.request(`${name} ${this.id}`, { signal }, come).catch(aborted);
    locks.request(name, { signal }, () => this.lead(here)).catch(aborted);
    // Where locks are refused, as in a page without storage, neither of them is ever given.
    this.silence = setTimeout(() => this.unheard(), SILENT_MS);
  }

  send(text: string): void {
    if (this.own !== undefined) return this.own.send(text);
    this.ask({ text });
  }

  close(): void {
    if (this.readyState === CLOSED) return;
    if (this.own !== undefined) return this.own.close();
    if (this.hub === undefined) this.tell({ isOver: true });
    else this.hub.stop();
    queueMicrotask(() => this.finish({ code: 1000, reason: '' }));
  }

  /** The lock is ours: nobody is connected, or who was has gone without a word. */
  private lead(here: Promise<unknown>): Promise<unknown> | undefined {
    if (this.readyState !== 0) {
      this.finish({ code: 1001, reason: '' });
      return undefined;
    }
    const say = (message: ToTabs): void => {
      // A connection may say something when this tab has ended: that throws in a channel that is closed.
      if (this.readyState === CLOSED) return;
      this.channel.postMessage(message);
      this.take(message);
    };
    try {
      this.hub = new Hub(
        this.open(),
        say,
        this.id,
        (id, gone) => {
          this.locks
            .request(`${this.name} ${id}`, { signal: this.end.signal }, async () => gone())
            .catch(() => undefined);
        },
        new CopyMemory(this.name),
      );
    } catch {
      this.finish({ code: 1006, reason: '' });
      return undefined;
    }
    this.isHeard = true;
    this.hub.take({ from: this.id, url: this.url });
    say({ isNew: true });
    return here;
  }

  /** Says something, and waits for a sign that it was heard. */
  private ask(message: Omit<ToHub, 'from'>): void {
    this.tell(message);
    if (this.hub === undefined) this.silence ??= setTimeout(() => this.unheard(), SILENT_MS);
  }

  private tell(message: Omit<ToHub, 'from'>): void {
    if (this.hub === undefined) this.channel.postMessage({ from: this.id, ...message });
    else this.hub.take({ from: this.id, ...message });
  }

  private unheard(): void {
    if (this.hub !== undefined || this.readyState === CLOSED) return;
    // Who has been silent to a tab that was connected may be there again for the next attempt.
    if (this.isHeard) return this.finish({ code: 1006, reason: '' });
    this.leave();
    let own: Socket;
    try {
      this.own = own = this.open();
    } catch {
      return this.finish({ code: 1006, reason: '' });
    }
    const opened = (event: never): void => {
      this.readyState = own.readyState;
      this.onopen?.(event);
    };
    own.onopen = opened;
    own.onmessage = (event: never) => this.onmessage?.(event);
    own.onerror = (event: never) => this.onerror?.(event);
    own.onclose = (event: never) => {
      this.readyState = CLOSED;
      this.onclose?.(event);
    };
  }

  private take({ from, to, isNew, isOpen, text, code, reason, ...more }: Partial<ToHub> & ToTabs): void {
    if (this.readyState === CLOSED) return;
    if (from !== undefined) return this.hub?.take({ from, text, ...more });
    if (to !== undefined && !to.includes(this.id)) return;
    if (isNew === true) {
      if (this.hub === undefined && this.isHere && this.readyState === 0) this.ask({ url: this.url });
      return;
    }
    clearTimeout(this.silence);
    this.silence = undefined;
    this.isHeard = true;
    if (code !== undefined) return this.finish({ code, reason });
    if (isOpen === true && this.readyState === 0) {
      this.readyState = 1;
      this.onopen?.({} as never);
    }
    if (text !== undefined) this.onmessage?.({ data: text } as never);
  }

  private finish(event: { code: number; reason: string | undefined }): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    this.leave();
    this.onclose?.(event as never);
  }

  private leave(): void {
    clearTimeout(this.silence);
    this.end.abort();
    this.channel.close();
  }
}
