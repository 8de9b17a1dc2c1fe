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
  addEventListener?(event: string, listener: () => void): void;
  removeEventListener?(event: string, listener: () => void): void;
}

/** Listens to the page, where there is one (client-library §4). */
export function listenToPage({ awake, offline, hidden }: PageListener): Off {
  const scope = globalThis as unknown as Target & { document?: Target & { visibilityState?: string } };
  const { document } = scope;
  const visible = (): void => {
    if (document?.visibilityState === 'visible') awake();
  };
  const pairs: [Target | undefined, string, () => void][] = [
    [scope, 'online', awake],
    [scope, 'offline', offline],
    [scope, 'pageshow', awake],
    [scope, 'pagehide', hidden],
    [document, 'freeze', hidden],
    [document, 'resume', awake],
    [document, 'visibilitychange', visible],
  ];
  for (const [target, event, listener] of pairs) target?.addEventListener?.(event, listener);
  return () => {
    for (const [target, event, listener] of pairs) target?.removeEventListener?.(event, listener);
  };
}
