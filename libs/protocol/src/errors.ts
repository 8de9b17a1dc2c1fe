/**
 * The one table of deliberate failures: every error code a client or a backend can receive, with the HTTP status that
 * carries it. Source: spec websocket-protocol §7, publish-api §9.
 */
export const ERROR_STATUS = {
  ALREADY_SUBSCRIBED: 400,
  NOT_SUBSCRIBED: 403,
  SUBSCRIBE_PERMISSION_DENIED: 403,
  INVALID_SUBSCRIBE_TOKEN: 403,
  PRESENCE_CHANNEL_USER_ID_REQUIRED: 403,
  PRESENCE_CHANNEL_CAPACITY_REACHED: 409,
  /** The handshake; 403 when the token is genuine but may not be used here (`ProtocolError.status`). */
  INVALID_CONNECT_TOKEN: 401,
  MALFORMED_MESSAGE: 400,
  MISSING_FIELD: 400,
  INVALID_TYPE: 400,
  UNKNOWN_EVENT: 400,
  /** A member or parameter that the management API does not know: a typing mistake must not widen a selector. */
  UNKNOWN_FIELD: 400,
  /** More than one of several members of which exactly one must be given. */
  INVALID_SELECTOR: 400,
  INVALID_EVENT: 400,
  INVALID_CHANNEL: 400,
  INVALID_STORAGE_KEY: 400,
  INVALID_REACTION: 400,
  INVALID_STORE: 400,
  INVALID_DEDUPLICATION_ID: 400,
  INVALID_SCHEDULE: 400,
  DATA_TOO_LARGE: 413,
  PAYLOAD_TOO_LARGE: 413,
  PUBLISH_PERMISSION_DENIED: 403,
  SCHEDULE_PERMISSION_DENIED: 403,
  STORAGE_PERMISSION_DENIED: 403,
  REACTION_PERMISSION_DENIED: 403,
  REACTION_USER_ID_REQUIRED: 403,
  MESSAGE_NOT_FOUND: 404,
  INVALID_UMD_TOKEN: 403,
  UMD_UPDATE_PERMISSION_DENIED: 403,
  GET_INFO_PERMISSION_DENIED: 403,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  UPGRADE_REQUIRED: 426,
  /** Passes by itself (limits §1). */
  RATE_LIMITED: 429,
  /** There are as many as there may be; 429 for a handshake (limits §1). */
  LIMIT_REACHED: 409,
  /** A node was asked, by a newer one, for what it does not know; never a silent accept. */
  NOT_IMPLEMENTED: 501,
  INTERNAL_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** Which limit stands in the way (limits §3). */
export interface LimitDetails {
  /** Its name in camelCase: `connectionPublish`. */
  readonly limit: string;
  /** Of a rate: after so long one more passes; 1 or more. */
  readonly retryAfterMs?: number;
  /** Of a cap. */
  readonly max?: number;
}

/** A failure that is part of the protocol. Anything else that is thrown is a bug or an outage. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  /** HTTP status that carries the error. */
  readonly status: number;
  /** Position in a batch, for `POST /publish/batch`. */
  readonly index?: number;
  /** For programs, where the code alone does not say it. */
  readonly reason?: string;
  /** Of `RATE_LIMITED` and `LIMIT_REACHED`. */
  readonly limited?: LimitDetails;

  constructor(
    readonly code: ErrorCode,
    /** Human-readable English that names the offending field. */
    message: string,
    options: {
      readonly status?: number;
      readonly index?: number;
      readonly reason?: string;
      readonly limited?: LimitDetails;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status ?? ERROR_STATUS[code];
    if (options.index !== undefined) this.index = options.index;
    if (options.reason !== undefined) this.reason = options.reason;
    if (options.limited !== undefined) this.limited = options.limited;
  }
}

/**
 * Something came too often.
 *
 * @param limit in camelCase
 * @param waitMs until one more passes
 */
export function rateLimited(limit: string, waitMs: number): ProtocolError {
  const retryAfterMs = Math.max(1, Math.ceil(waitMs));
  return new ProtocolError('RATE_LIMITED', `too many at a time, try again in ${retryAfterMs} ms`, {
    limited: { limit, retryAfterMs },
  });
}

/**
 * There is no room for one more.
 *
 * @param limit in camelCase
 * @param what there is too much of, in the plural
 * @param status 429 for a handshake
 */
export function limitReached(limit: string, max: number, what: string, status?: 429): ProtocolError {
  return new ProtocolError('LIMIT_REACHED', `at most ${max} ${what} are allowed`, { limited: { limit, max }, status });
}

/**
 * Something that a request needs is away, or does not answer in time: NATS, Postgres, another node. Whoever asked may
 * ask again.
 */
export class OutageError extends Error {
  /** What a client is told. */
  get advice(): string {
    return `try again: ${this.message}`;
  }
}

/**
 * The protocol's word for whatever was thrown while a request was answered. What is neither deliberate nor an outage is
 * a bug, `INTERNAL_ERROR`, and tells the client nothing; it is to be logged.
 */
export function protocolErrorOf(thrown: unknown): ProtocolError {
  if (thrown instanceof ProtocolError) return thrown;
  if (thrown instanceof OutageError) return new ProtocolError('SERVICE_UNAVAILABLE', thrown.advice, { cause: thrown });
  return new ProtocolError('INTERNAL_ERROR', 'An internal error occurred', { cause: thrown });
}

/**
 * `{"error":{"code","message"[,"index"][,"reason"][,"limit"[,"retryAfterMs"][,"max"]]}}`, the body of every HTTP error
 * (publish-api §9, limits §3).
 */
export function errorBody({ code, message, index, reason, limited }: ProtocolError): {
  error: { code: ErrorCode; message: string; index?: number; reason?: string } & Partial<LimitDetails>;
} {
  const more = { ...(index === undefined ? {} : { index }), ...(reason === undefined ? {} : { reason }) };
  return { error: { code, message, ...more, ...limited } };
}

/** When somebody may have made room (limits §3). */
const CAP_RETRY_SECONDS = '10';

/** Value of `Retry-After` (RFC 9110 §10.2.3) in whole seconds; `undefined` when waiting does not help. */
export function retryAfter({ limited, status }: ProtocolError): string | undefined {
  const { retryAfterMs, max } = limited ?? {};
  if (max !== undefined && status === 429) return CAP_RETRY_SECONDS;
  return retryAfterMs === undefined ? undefined : String(Math.ceil(retryAfterMs / 1_000));
}
