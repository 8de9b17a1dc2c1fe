/** What `react.ts` uses of React. The types that applications see name nothing of it, so no types of React are needed. */
declare module 'react' {
  export interface Context<T> {
    readonly Provider: unknown;
    readonly value?: T;
  }
  export function createContext<T>(value: T): Context<T>;
  export function createElement(type: unknown, props: object | null, ...children: unknown[]): unknown;
  export function useContext<T>(context: Context<T>): T;
  export function useEffect(effect: () => void | (() => void), inputs: readonly unknown[]): void;
  export function useInsertionEffect(effect: () => void | (() => void), inputs?: readonly unknown[]): void;
  export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T;
  export function useRef<T>(value: T): { current: T };
  export function useSyncExternalStore<T>(
    subscribe: (onChange: () => void) => () => void,
    get: () => T,
    server: () => T,
  ): T;
}
