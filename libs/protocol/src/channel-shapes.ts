/**
 * What an application sends over its channels, as types: one map for the client library and the server library, so that
 * both ends agree on names and payloads before anything runs. Types only.
 *
 * ```ts
 * interface MyChannels {
 *   'room.*': { events: { chat: { text: string } }; member: { name: string }; storage: { topic: string } };
 *   news: { events: { headline: string } };
 * }
 * ```
 */

/** One channel, or all whose names fit a pattern. Each member is a map from names to types of payloads. */
export interface Shape {
  /** What subscribers get. */
  events: object;
  /** What clients may publish, where that is not all of `events`. */
  publish?: object;
  /** `umd` of the members of a presence channel. */
  member?: unknown;
  /** Storage entries by key. */
  storage?: object;
}

/**
 * A map whose keys are channel names, or patterns in which `*` stands for any text. Written so that an interface is one,
 * which has no index signature.
 */
export type Shapes<S> = { [Name in keyof S]: Shape };

/** Where nothing is said: any name, any payload. */
export interface AnyShapes {
  [name: string]: { events: Record<string, unknown>; member: unknown; storage: Record<string, unknown> };
}

/** The text that a pattern stands for: `room.${string}` for `room.*`. */
export type TextOf<Pattern extends string> = Pattern extends `${infer Head}*${infer Tail}`
  ? `${Head}${string}${TextOf<Tail>}`
  : Pattern;

/** Names of channels that the map knows. */
export type ChannelName<S> = TextOf<keyof S & string>;

/** The patterns that a name fits. */
type Fitting<S, Name extends string> = {
  [Pattern in keyof S & string]: Name extends TextOf<Pattern> ? Pattern : never;
}[keyof S & string];

/** `true` when A has more characters than B. */
type IsLonger<A extends string, B extends string> = A extends `${infer _A}${infer RestA}`
  ? B extends `${infer _B}${infer RestB}`
    ? IsLonger<RestA, RestB>
    : true
  : false;

/** Those of `All` that are longer than `Pattern`. */
type Longer<All extends string, Pattern extends string> = All extends string
  ? IsLonger<All, Pattern> extends true
    ? All
    : never
  : never;

type Longest<All extends string> = {
  [Pattern in All]: [Longer<All, Pattern>] extends [never] ? Pattern : never;
}[All];

/** What is said of a channel: by its name, else by the longest pattern that it fits. */
export type ShapeOf<S, Name extends string> = Name extends keyof S ? S[Name] : S[Longest<Fitting<S, Name>> & keyof S];

/** Payloads by event, of what subscribers get. */
export type EventsOf<T> = T extends { events: infer Events } ? Events : never;
/** Payloads by event, of what clients may publish. */
export type PublishableOf<T> = T extends { publish: infer Events } ? Events : EventsOf<T>;
/** `umd` of members. */
export type MemberOf<T> = T extends { member: infer Member } ? Member : unknown;
/** Values by storage key. */
export type StorageOf<T> = T extends { storage: infer Storage } ? Storage : Record<string, unknown>;

/**
 * `T` when JSON can carry it, else a type that nothing of it fits: `bigint`, functions and symbols are lost or throw.
 * Interfaces fit, `unknown` is left to the moment it is sent.
 */
export type Jsonable<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends { toJSON(): unknown }
      ? T
      : T extends
            bigint | symbol | ((...args: never[]) => unknown) | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
        ? never
        : T extends object
          ? { [Member in keyof T]: Jsonable<T[Member]> }
          : never;
