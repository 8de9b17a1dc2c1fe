import { ArgumentError } from './sdk-errors';

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined };

/** A message to publish (publish-api §3). */
export interface PublishInput {
  channel: string;
  event: string;
  data?: JsonValue;
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
  /** Anything else is passed through. */
  [extra: string]: unknown;
}

/** JSON of a publish that was accepted (publish-api §4). */
export interface PublishResponse {
  id?: string | null;
  channel: string;
  event: string;
  scheduleArn?: string;
}

/** The accepted publish, raw: what is inside is seldom looked at, and parsed only then. */
export interface PublishResult {
  /** 200 by Lambda, 202 by HTTP. */
  readonly statusCode: number;
  /** The answer's body as it came. */
  readonly payload: Uint8Array;
  /** Lambda only, with `throwOnFunctionError: false`: the message was refused. */
  readonly functionError?: string;
  /** Lambda only. */
  readonly executedVersion?: string;
  /** Lambda only: to look the request up in the server's log. */
  readonly requestId?: string;
  /** The payload as text. */
  text(): string;
  /** The payload, parsed. @throws SyntaxError when it is not JSON */
  json<T = PublishResponse>(): T;
}

/**
 * The bytes of a message document: `event`, `channel`, then the rest in the given order, without what is `undefined`.
 * Nothing but the presence of the two is checked; the server knows the rules.
 *
 * @throws ArgumentError when `channel` or `event` is not a string, or JSON cannot carry the rest
 */
export function encodeMessage(input: PublishInput): Uint8Array {
  if (typeof input !== 'object' || input === null) throw new ArgumentError('the message must be an object');
  const { channel, event, ...rest } = input;
  for (const [name, value] of Object.entries({ channel, event })) {
    if (typeof value !== 'string') throw new ArgumentError(`${name} must be a string`);
  }
  for (const [name, value] of Object.entries(rest)) {
    // JSON would say null, and a `store` of null is one of 0.
    if (typeof value === 'number' && !Number.isFinite(value)) throw new ArgumentError(`${name} is ${value}`);
  }
  try {
    return new TextEncoder().encode(JSON.stringify({ event, channel, ...rest }));
  } catch (cause) {
    throw new ArgumentError('the message cannot be written as JSON', { cause });
  }
}
