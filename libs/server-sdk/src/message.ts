// Not by its alias: this library is built into a package of its own, where there are none.
import type { EventsOf, Jsonable, ShapeOf, TextOf } from '../../protocol/src/channel-shapes';
import { ArgumentError } from './sdk-errors';

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined };

/** Everything of a message but where it goes and what it says (publish-api §3). */
export interface MessageOptions {
  /** A second message with the same one within five minutes is dropped. */
  deduplicationId?: string;
  /** The result holds the message's `id`, at the price of a strict order. */
  eagerIdGeneration?: boolean;
  emitPubSubEvent?: boolean;
  /** Seconds to keep the message; `0`, the default, not at all, `-1` for ever. */
  store?: number;
  /** Storage key, for `hotsock.channelStorageSet`. */
  key?: string;
  /** `at(YYYY-MM-DDTHH:MM:SS)` */
  scheduleExpression?: string;
  /** IANA time zone of `scheduleExpression`; UTC when not given. */
  scheduleExpressionTimezone?: string;
}

/** A message to publish, of any channel. What a later version may know besides is passed on unchanged, where types allow it. */
export interface PublishInput extends MessageOptions {
  channel: string;
  event: string;
  data?: unknown;
}

/** Names of events of a channel. */
export type EventName<S, Channel extends string> = keyof EventsOf<ShapeOf<S, Channel>> & string;

/** What an event of a channel says. */
export type Payload<S, Channel extends string, Event> =
  EventsOf<ShapeOf<S, Channel>> extends infer Events ? (Event extends keyof Events ? Events[Event] : never) : never;

/** `data`: as the map says; where it says nothing, anything that JSON can carry. */
type DataMember<Said, Given> = unknown extends Said
  ? { data?: Given & Jsonable<Given> }
  : undefined extends Said
    ? { data?: Said }
    : { data: Said };

/** A message of a channel of the map `S`. */
export type MessageInput<S, Channel extends string, Event, Given = unknown> = MessageOptions & {
  channel: Channel;
  event: Event;
} & DataMember<Payload<S, Channel, Event>, Given>;

/** A message of any channel of the map `S`. */
export type AnyMessageInput<S> = {
  [Pattern in keyof S & string]: {
    [Event in keyof EventsOf<S[Pattern]> & string]: MessageOptions & {
      channel: TextOf<Pattern>;
      event: Event;
    } & DataMember<EventsOf<S[Pattern]>[Event], unknown>;
  }[keyof EventsOf<S[Pattern]> & string];
}[keyof S & string];

/** JSON of a publish that was accepted (publish-api §4). */
export interface PublishResponse {
  id?: string | null;
  channel: string;
  event: string;
  scheduleArn?: string;
}

/** The accepted publish, raw: what is inside is seldom looked at, and parsed only then. */
export interface PublishResult<Response = PublishResponse> {
  /** 200 by Lambda, 202 by HTTP. */
  readonly statusCode: number;
  /** The answer's body as it came. */
  readonly payload: Uint8Array;
  /** What the server did not know in the message and left out, most likely a typing mistake (publish-api §3.2). */
  readonly warning?: string;
  /** Lambda only, with `throwOnFunctionError: false`: the message was refused. */
  readonly functionError?: string;
  /** Lambda only. */
  readonly executedVersion?: string;
  /** Lambda only: to look the request up in the server's log. */
  readonly requestId?: string;
  /** The payload as text. */
  text(): string;
  /** The payload, parsed. @throws SyntaxError when it is not JSON */
  json<T = Response>(): T;
}

/**
 * The bytes of a message document: `event`, `channel`, then the rest in the given order, without what is `undefined`.
 * Nothing but the presence of the two is checked; the server knows the rules.
 *
 * @throws ArgumentError when `channel` or `event` is not a string, or JSON cannot carry the rest
 */
export function encodeMessage(input: object): Uint8Array {
  return encode(documentOf(input));
}

/** The bytes of a batch; throws as `encodeMessage`. */
export function encodeBatch(inputs: readonly object[]): Uint8Array {
  if (!Array.isArray(inputs)) throw new ArgumentError('the batch must be an array of messages');
  return encode(inputs.map(documentOf));
}

function documentOf(input: object): object {
  if (typeof input !== 'object' || input === null) throw new ArgumentError('the message must be an object');
  const { channel, event, ...rest } = input as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries({ channel, event })) {
    if (typeof value !== 'string') throw new ArgumentError(`${name} must be a string`);
  }
  for (const [name, value] of Object.entries(rest)) {
    // JSON would say null, and a `store` of null is one of 0.
    if (typeof value === 'number' && !Number.isFinite(value)) throw new ArgumentError(`${name} is ${value}`);
  }
  return { event, channel, ...rest };
}

function encode(document: object): Uint8Array {
  try {
    return new TextEncoder().encode(JSON.stringify(document));
  } catch (cause) {
    throw new ArgumentError('the message cannot be written as JSON', { cause });
  }
}
