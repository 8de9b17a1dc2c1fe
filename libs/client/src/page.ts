import type { Off } from './types';

/** What a page tells of itself; elsewhere nothing ever comes. */
export interface PageListener {
  /** There may be a network again, or somebody looks. */
  awake: () => void;
  offline: () => void;
  /** It may be frozen from here on. */
  hidden: () => void;
}

interface Target {
  addEventListener?(event: string, listener: () => void, options: { readonly signal: AbortSignal }): void;
}

/** Listens to the page, where there is one (client-library §4). */
export function listenToPage({ awake, offline, hidden }: PageListener): Off {
  const scope = globalThis as unknown as Target & { document?: Target & { visibilityState?: string } };
  const { document } = scope;
  const visible = (): void => {
    if (document?.visibilityState === 'visible') awake();
  };
  const listening = new AbortController();
  const listen = (target: Target | undefined, listener: () => void, ...events: string[]): void => {
    for (const event of events) target?.addEventListener?.(event, listener, listening);
  };
  listen(scope, awake, 'online', 'pageshow');
  listen(scope, offline, 'offline');
  listen(scope, hidden, 'pagehide');
  listen(document, hidden, 'freeze');
  listen(document, awake, 'resume');
  listen(document, visible, 'visibilitychange');
  return () => listening.abort();
}
