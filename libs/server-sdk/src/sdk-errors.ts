/** A setting is missing, contradicts another one or cannot be used (server-sdk §5). */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  /**
   * @param option the name of the option to change
   * @param problem what is wrong with it, worded to follow its name; never its value, which may be a secret
   */
  constructor(
    readonly option: string,
    problem: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${option} ${problem}`, options);
  }
}

/** A call was given something that cannot be a message or a set of claims. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

/** What is known about a failed request. */
export interface RequestFailure {
  /** HTTP status; absent when no answer came. */
  readonly statusCode?: number;
  /**
   * Hearth's error code (`INVALID_CHANNEL`), the AWS exception's name (`ResourceNotFoundException`), `TIMEOUT`,
   * `NETWORK_ERROR`, or `HTTP_<status>` when the answer names none.
   */
  readonly code: string;
  /** The answer's body as it came. */
  readonly payload?: Uint8Array;
}

/** What is known about a failed publish. */
export interface PublishFailure extends RequestFailure {
  /** In a batch: position of the message that was refused, and all others with it. */
  readonly index?: number;
  /** Lambda only: the function ran and refused the message. */
  readonly functionError?: string;
  /** Lambda only: to look the request up in the server's log. */
  readonly requestId?: string;
}

abstract class RequestError extends Error implements RequestFailure {
  readonly statusCode?: number;
  readonly code: string;
  readonly payload?: Uint8Array;

  constructor(problem: string, failure: RequestFailure, options?: { readonly cause?: unknown }) {
    super(`${failure.code}: ${problem}`, options);
    this.statusCode = failure.statusCode;
    this.code = failure.code;
    this.payload = failure.payload;
  }
}

/** The message was not accepted, or nobody knows whether it was because no answer came. */
export class PublishError extends RequestError implements PublishFailure {
  override readonly name = 'PublishError';
  readonly index?: number;
  readonly functionError?: string;
  readonly requestId?: string;

  constructor(problem: string, failure: PublishFailure, options?: { readonly cause?: unknown }) {
    super(problem, failure, options);
    this.index = failure.index;
    this.functionError = failure.functionError;
    this.requestId = failure.requestId;
  }
}

/** A question or an order was refused, or nobody knows whether it was carried out because no answer came. */
export class ApiError extends RequestError {
  override readonly name = 'ApiError';
}

/** What claims to be a webhook is none of Hearth's, was changed on its way, or comes too late. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError';
}
