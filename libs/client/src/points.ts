import { attempt, record } from './listeners';
import { inTime } from './token';
import type { Store } from './types';

/** Where a client goes on in a channel (resume.md); never looked into. */
export interface Point {
  readonly after?: string;
  readonly token?: string;
  /** Id of the last copy behind it (`tabs-hub.ts`); nothing to the server. */
  readonly copy?: string;
  /** In the connect URL: the end of the storage snapshot is asked for (client-library §7). */
  readonly storage?: true | undefined;
}

/** Time between writes of one client. */
const WRITE_MS = 250;

/**
 * Points of all channels on their way to the application's store. Memory has them at once; the store gets them when the
 * handlers have run, in its own time, and what it does wrong is told and costs nothing else (client-library §5).
 */
export class PointStore {
  private readonly dirty = new Map<string, Point | undefined>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store | undefined,
    private readonly url: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Of a channel or an alias. @param uid of the token; a point of another user is none */
  load(uid: string | null, name: string): Point | undefined | Promise<Point | undefined> {
    if (!this.store) return undefined;
    try {
      const text = this.store.get(this.key(uid, name));
      if (typeof text === 'string' || !text) return parse(text);
      // A database of the browser may never answer: nothing is subscribed before it does.
      return inTime(text)
        .then(parse)
        .catch((error: unknown) => void this.onError(error));
    } catch (error) {
      this.onError(error);
      return undefined;
    }
  }

  /** @param point absent: it is forgotten */
  save(uid: string | null, name: string, point: Point | undefined): void {
    if (!this.store) return;
    this.dirty.set(this.key(uid, name), point);
    this.timer ??= setTimeout(() => this.flush(), WRITE_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const [key, point] of this.dirty) {
      attempt(() => this.store?.set(key, point === undefined ? null : JSON.stringify(point)), this.onError);
    }
    this.dirty.clear();
  }

  private key(uid: string | null, name: string): string {
    return `hearth:${JSON.stringify([this.url, uid, name])}`;
  }
}

/** What somebody else wrote, or an older version of us, is no point. */
function parse(text: string | null): Point | undefined {
  try {
    const { after, token, copy } = JSON.parse(text ?? '') as Point;
    return { after, token, copy };
  } catch {
    return undefined;
  }
}

/** Longest `resume` that the server reads (resume.md §1). */
const MAX_RESUME_CHARACTERS = 8_192;

/**
 * The connect URL's `resume`: what is known of auto-subscribed channels. Those that there is no room for are left out, and
 * count as new; the caller tells of the gap.
 */
export function resumeParameter(points: ReadonlyMap<string, Point>): string {
  const wanted = record<Point>();
  let text = '{}';
  for (const [name, point] of points) {
    wanted[name] = point;
    const longer = JSON.stringify(wanted);
    if (base64url(longer).length > MAX_RESUME_CHARACTERS) delete wanted[name];
    else text = longer;
  }
  return base64url(text);
}

function base64url(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
}
