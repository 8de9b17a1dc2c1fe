import type { Kind } from './variable-kinds';

/** The single services; `hearth` is all of them in one process. */
export const SINGLE_SERVICES = ['publish-api', 'sequencer', 'gateway', 'history', 'webhooks'] as const;
export type ServiceName = 'hearth' | (typeof SINGLE_SERVICES)[number];

/** One row of the table: all that is known about one environment variable. */
export interface Variable<T = unknown> extends Details {
  readonly name: string;
  readonly kind: Kind<T>;
  /** Text that is parsed when the variable is unset; absent = no default. */
  readonly default?: string;
  /** Services that read it; `hearth` reads every variable. */
  readonly services: readonly ServiceName[];
}

/**
 * `secret`: its value is never shown, not in errors, not in logs, not in `/info`. `reload`: a changed `X_FILE` takes
 * effect without a restart. `no file`: the value is itself a path, so there is no `X_FILE` form.
 */
type Mark = 'secret' | 'reload' | 'no file';

interface Details {
  /** What stands in the Default column of the documentation when there is no fixed default text. */
  readonly defaultNote?: string;
  readonly meaning: string;
  readonly marks?: readonly Mark[];
}

/** A variable that has a value in any case. */
export function variable<T, const D extends Details>(name: string, kind: Kind<T>, fallback: string, details: D) {
  return { name, kind, default: fallback, ...details };
}

/** A variable without a default. */
export function optional<T, const D extends Details>(name: string, kind: Kind<T>, details: D) {
  return { name, kind: kind as Kind<T | undefined>, ...details };
}

/** These rows, all read by the same services. */
export function readBy<V extends Record<string, Omit<Variable, 'services'>>>(
  services: readonly ServiceName[],
  rows: V,
) {
  const all = Object.entries(rows).map(([key, row]) => [key, { ...row, services }]);
  return Object.fromEntries(all) as { readonly [K in keyof V]: V[K] & Pick<Variable, 'services'> };
}
