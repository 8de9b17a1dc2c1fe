/** What `vue.ts` uses of Vue. Applications see Vue's own types in its place. */
declare module 'vue' {
  export interface Ref<T> {
    value: T;
  }
  export type MaybeRefOrGetter<T> = T | { readonly value: T } | (() => T);
  export function toValue<T>(source: MaybeRefOrGetter<T>): T;
  export function toRefs<T extends object>(state: T): { [K in keyof T]: Ref<T[K]> };
  export function shallowReactive<T extends object>(state: T): T;
  export function inject<T>(key: symbol, otherwise: T): T;
  export function provide(key: symbol, value: unknown): void;
  export function onMounted(call: () => void): void;
  export function watch<T>(
    source: () => T,
    call: (now: T, before: unknown, onCleanup: (end: () => void) => void) => void,
    options: { immediate: boolean },
  ): void;
}
